//===- pipeline.h - The phases, in order ------------------------*- C++ -*-===//
//
// What happens to a model between its source and machine code, one function a
// phase. Every phase is a module that can be printed, checked and, up to
// `kernels`, run by the interpreter.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PIPELINE_H
#define MAPSTO_COMPILER_PIPELINE_H

#include "compiler/Timings.h"
#include "compiler/cpu/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mapsto {

enum class Phase { Graph, Optimized, Kernels, Loops, Llvm, Asm, Glsl, Spirv };

/// "graph", "optimized", "kernels", "loops", "llvm", "asm", "glsl", "spirv".
llvm::StringRef phaseName(Phase phase);
std::optional<Phase> parsePhase(llvm::StringRef name);

/// graph -> optimized: sizes resolved, constants folded, recurrences raised to
/// scans, work hoisted out of time loops and attention.
void addOptimizePasses(mlir::OpPassManager &pm);
/// optimized -> kernels: fused kernels, a schedule, packed weights, costs.
void addKernelPasses(mlir::OpPassManager &pm, const Target &target);
/// kernels -> loops: each kernel tiled, on vectors and buffers.
void addLoopPasses(mlir::OpPassManager &pm, const Target &target);
/// loops -> llvm: the LLVM dialect. `@main` must be gone by then: the manifest
/// has taken its place.
void addLlvmPasses(mlir::OpPassManager &pm);

/// kernels -> shaders: what each invocation does, in structured IR.
void addShaderPasses(mlir::OpPassManager &pm);

/// Every dialect that a module may hold in some phase, and its translation.
void registerDialects(mlir::DialectRegistry &registry);

/// Brings a module that is in phase `from` to phase `to` (at most Llvm), in
/// place, measuring each phase into `timings`. On the way from `loops` on,
/// `@main` is dropped. Failure is a defect of the compiler, reported through
/// the context's diagnostics.
llvm::LogicalResult lower(mlir::ModuleOp module, Phase from, Phase to,
                          const Target &target, Timings &timings);

/// Registers `mapsto-to-optimized`, `-kernels`, `-loops` and `-llvm` as pass
/// pipelines for mapsto-opt, for this machine's CPU.
void registerPipelines();

} // namespace mapsto

#endif // MAPSTO_COMPILER_PIPELINE_H
