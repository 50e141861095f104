//===- ObjectCode.h - The LLVM dialect to object code -----------*- C++ -*-===//
//
// Translates a module of phase `llvm` to LLVM IR, optimises it, and writes an
// object or its assembly to memory. With a manifest given, the object is a
// whole model but for its weights: the manifest, a table of the kernels, and a
// `mapsto_image` (runtime/mapsto.h) that points to both.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_CPU_OBJECTCODE_H
#define MAPSTO_COMPILER_CPU_OBJECTCODE_H

#include "compiler/Timings.h"
#include "compiler/cpu/Target.h"
#include "runtime/manifest_writer.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/SmallVector.h"

namespace llvm {
class Module;
} // namespace llvm

namespace mapsto {

enum class CodeForm { Object, Assembly, LlvmText };

struct ObjectOptions {
  CodeForm form = CodeForm::Object;
  int optLevel = 2;
  /// Also define `mapsto_model_image`: for an executable or a shared library,
  /// of which there is one model each.
  bool modelImage = false;
  /// The weights are a symbol of another object (`weightsSymbol`) instead of
  /// null.
  bool linkedWeights = false;
  /// Also define the typed C functions (see EntryPoints.h).
  bool entryPoints = false;
  /// A model with shaders refers to what runs them, `mapsto_vulkan_backend`;
  /// else whoever opens the image sets it.
  bool backend = false;
  /// There are functions for the kernels. Without, its shaders alone run it.
  bool cpu = true;
};

/// "SeqModel" as the names of C have it: "seq_model".
std::string identifierOf(llvm::StringRef model);
/// Names of the symbols of a model of this name.
std::string imageSymbol(llvm::StringRef model);
std::string weightsSymbol(llvm::StringRef model);

/// Writes conversions from f16 to f32 as arithmetic on whole vectors where the
/// target has no instruction: LLVM would call a function for each element.
void widenHalf(llvm::Module &module, const Target &target);

/// Code for `module`, which is left as it is. `manifest` may be null: code
/// alone, of all the functions. Failure is a defect of the compiler, reported
/// through the context's diagnostics.
mlir::FailureOr<llvm::SmallVector<char, 0>>
makeObjectCode(mlir::ModuleOp module, const ManifestModel *manifest,
               const Target &target, const ObjectOptions &options,
               Timings &timings);

} // namespace mapsto

#endif // MAPSTO_COMPILER_CPU_OBJECTCODE_H
