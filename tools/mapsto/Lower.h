//===- Lower.h - A loaded model through the phases --------------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_LOWER_H
#define MAPSTO_TOOLS_LOWER_H

#include "compiler/cpu/Jit.h"
#include "compiler/package/BuildManifest.h"
#include "compiler/pipeline.h"
#include "tools/mapsto/Load.h"

#include <optional>

namespace mapsto {

/// A model whose module is in phase llvm, with what else an artifact holds.
struct Compiled {
  ManifestModel manifest;
  WeightTable weights;
};

/// Takes the model's module from graph to llvm. On failure, which is the
/// model's (a target cannot do what it asks for), nothing, with the errors
/// printed.
std::optional<Compiled> compile(Model &model);

/// A model compiled in memory.
struct Loaded {
  ~Loaded();
  void *weights = nullptr;
  uint64_t weightsSize = 0;
  std::unique_ptr<Jit> jit;
};

/// Makes code for this machine and loads it. On failure null, with the errors
/// printed.
std::unique_ptr<Loaded> loadCode(Model &model, Compiled &compiled);

/// Takes the model's module, in phase graph, to `phase` and writes it as text.
/// False on failure, with the errors printed.
bool printPhase(Model &model, Phase phase, llvm::raw_ostream &out);

/// "--time": one line a stage and one a kernel, to stderr.
void printTimings(const Timings &timings);

} // namespace mapsto

#endif // MAPSTO_TOOLS_LOWER_H
