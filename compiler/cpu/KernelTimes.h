//===- KernelTimes.h - LLVM's time, kernel by kernel ------------*- C++ -*-===//
//
// `mapsto compile --time`: what LLVM's passes and its code generation take for
// each function.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_CPU_KERNELTIMES_H
#define MAPSTO_CPU_KERNELTIMES_H

#include "compiler/Timings.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassInstrumentation.h"

namespace mapsto {

class KernelTimes {
public:
  /// Nothing is measured where the timings do not ask for kernels.
  explicit KernelTimes(Timings &timings) : timings(timings) {}

  /// Notes the functions as they come from MLIR.
  void noteSizes(const llvm::Module &module);
  /// Has the passes that run with these callbacks measured.
  void attach(llvm::PassInstrumentationCallbacks &callbacks);
  /// Runs the code generation of the legacy pass manager, and measures it.
  void measureCodegen(llvm::function_ref<void()> generate);

private:
  void enter(llvm::Any unit);
  void leave();

  Timings &timings;
  std::string inside; ///< the function of the outermost pass that runs
  int depth = 0;
  std::chrono::steady_clock::time_point start;
};

} // namespace mapsto

#endif // MAPSTO_CPU_KERNELTIMES_H
