//===- Interpret.h - The interpreter as if it were an artifact --*- C++ -*-===//
//
// Wraps a model in phase graph as a `mapsto_image` whose one kernel is the
// interpreter. So `run --interpret` has the same command line, inputs and
// checks as compiled code, and nothing to keep in step.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_INTERPRET_H
#define MAPSTO_TOOLS_INTERPRET_H

#include "dialect/interpreter/Interpreter.h"
#include "runtime/manifest_writer.h"
#include "tools/mapsto/Load.h"

namespace mapsto {

/// The model's weights as the interpreter reads them.
Interpreter::WeightLookup interpreterWeights(Model &model);

class InterpretedModel {
public:
  /// There can be one at a time.
  explicit InterpretedModel(Model &model);
  ~InterpretedModel();

  const mapsto_image &image() const { return wrapped; }

private:
  static void kernel(void *const *buffers, const int64_t *dims, void *scratch,
                     int64_t begin, int64_t end,
                     mapsto_kernel_context *context);
  bool run(void *const *buffers, const int64_t *dims, std::string &error);

  Model &model;
  mlir::func::FuncOp entry;
  std::vector<ManifestSymbol> symbols;
  std::vector<uint8_t> blob;
  mapsto_kernel_fn table[1];
  mapsto_image wrapped{};
};

} // namespace mapsto

#endif // MAPSTO_TOOLS_INTERPRET_H
