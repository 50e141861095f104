#include "compiler/cpu/KernelTimes.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Analysis/LazyCallGraph.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/TimeProfiler.h"
#include "llvm/Support/raw_ostream.h"

using namespace mapsto;

/// A kernel's body has its name, its entry a prefix as well.
static std::string kernelOf(llvm::StringRef function) {
  function.consume_front("mapsto_kernel_");
  return function.str();
}

void KernelTimes::noteSizes(const llvm::Module &module) {
  if (!timings.byKernel)
    return;
  for (const llvm::Function &function : module)
    if (!function.isDeclaration())
      timings.kernel(kernelOf(function.getName())).instructions +=
          double(function.getInstructionCount());
}

/// The function that a pass runs on; empty for a pass of more than one.
static std::string functionOf(llvm::Any unit) {
  if (const auto *function = llvm::any_cast<const llvm::Function *>(&unit))
    return kernelOf((*function)->getName());
  if (const auto *scc = llvm::any_cast<const llvm::LazyCallGraph::SCC *>(&unit))
    return kernelOf((*scc)->begin()->getFunction().getName());
  return "";
}

void KernelTimes::enter(llvm::Any unit) {
  std::string function = functionOf(unit);
  if (depth == 0 && function.empty())
    return; // a pass of the whole module: those inside it are measured
  if (depth++ == 0) {
    inside = function;
    start = std::chrono::steady_clock::now();
  }
}

void KernelTimes::leave() {
  if (depth == 0 || --depth != 0)
    return;
  timings.kernel(inside).passes += std::chrono::duration<double, std::milli>(
                                       std::chrono::steady_clock::now() - start)
                                       .count();
}

void KernelTimes::attach(llvm::PassInstrumentationCallbacks &callbacks) {
  if (!timings.byKernel)
    return;
  callbacks.registerBeforeNonSkippedPassCallback(
      [this](llvm::StringRef, llvm::Any unit) { enter(unit); });
  callbacks.registerAfterPassCallback(
      [this](llvm::StringRef, llvm::Any, const llvm::PreservedAnalyses &) {
        leave();
      });
  callbacks.registerAfterPassInvalidatedCallback(
      [this](llvm::StringRef, const llvm::PreservedAnalyses &) { leave(); });
}

/// The legacy pass manager takes one function after the other through all of
/// code generation, and says so to the time tracer alone.
void KernelTimes::measureCodegen(llvm::function_ref<void()> generate) {
  if (!timings.byKernel || llvm::timeTraceProfilerEnabled())
    return generate();
  llvm::timeTraceProfilerInitialize(/*TimeTraceGranularity=*/0, "mapsto");
  generate();
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::timeTraceProfilerWrite(stream);
  llvm::timeTraceProfilerCleanup();
  auto trace = llvm::json::parse(text);
  if (!trace) {
    llvm::consumeError(trace.takeError());
    return;
  }
  for (const llvm::json::Value &value :
       *trace->getAsObject()->getArray("traceEvents")) {
    const llvm::json::Object &event = *value.getAsObject();
    if (event.getString("name") != "OptFunction")
      continue;
    if (const llvm::json::Object *details = event.getObject("args"))
      timings.kernel(kernelOf(details->getString("detail").value_or("")))
          .codegen += double(event.getInteger("dur").value_or(0)) / 1000;
  }
}
