//===- ScanTeam.h - Threads that share the steps of a recurrence *- C++ -*-===//
//
// With few rows there is too little work for a thread a block of rows. Then all
// threads do each step together, each of them some columns of every stage, and
// wait for each other (runtime/team.h). How many they are may change from step
// to step: nothing but the state is handed on, and that lies in memory that all
// share, twice: a step reads one and writes the other.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_SCANTEAM_H
#define MAPSTO_COMPILER_KERNEL_SCANTEAM_H

#include "compiler/kernel/ScanStages.h"

namespace mapsto {

/// Can threads share the columns of these stages, and is a step enough work?
bool canShareColumns(ScanOp op, llvm::ArrayRef<ScanStage> stages);

class ScanTeam {
public:
  /// `stages` decide how finely columns can be cut.
  ScanTeam(KernelEmitter &e, llvm::ArrayRef<ScanStage> stages);

  /// The step to begin with.
  mlir::Value firstStep() { return first; }
  mlir::Value isCaptain();
  /// Memory of as many elements for each member, and this one's.
  Buffer allocateOwn(int64_t elements, mlir::Type elementType);
  /// Does this step, if this thread still has a part in it.
  void eachPart(llvm::function_ref<void()> body);
  /// Waits for the others, in the midst of a step or at its end.
  void wait();
  void finishStep(mlir::Value next);
  /// This member's part of a stage's columns.
  Columns columnsOf(const Dim &width);

private:
  enum Field : int64_t { kMember = 3, kOthers, kLeft, kStep, kArrive, kFields };

  mlir::Value field(Field which);
  void arrive(mlir::Value next);

  KernelEmitter &e;
  int64_t grain;
  mlir::Value member, first, members;

public:
  /// Words of a kernel's context (runtime/mapsto.h).
  static constexpr int64_t kContextFields = kFields;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_SCANTEAM_H
