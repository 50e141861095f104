//===- InferTypes.h - Ops of operands that do not fit -----------*- C++ -*-===//

#ifndef MAPSTO_DIALECT_INFERTYPES_H
#define MAPSTO_DIALECT_INFERTYPES_H

namespace mapsto {

/// While one lives (on this thread), an op whose operands do not fit each other
/// is made all the same, with the type of the first of them: why is a
/// diagnostic, where MLIR would end the process. For importers, whose models
/// may be wrong in any way; what was made must be thrown away.
class StandInTypes {
public:
  StandInTypes();
  ~StandInTypes();
  StandInTypes(const StandInTypes &) = delete;
  StandInTypes &operator=(const StandInTypes &) = delete;

private:
  bool outer;
};

} // namespace mapsto

#endif // MAPSTO_DIALECT_INFERTYPES_H
