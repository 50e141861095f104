//===- BuildManifest.h - The schedule as the runtime's manifest -*- C++ -*-===//
//
// Reads `@main` of a module whose graph has been cut into kernels (phase
// `kernels` or `loops`): launches become steps, tensors become buffers, sizes
// become expressions that the runtime evaluates.
//
// The memory plan's part that is decided here is which values share a buffer:
//   - a reshape is its operand's buffer;
//   - the result of an `update` kernel is its first operand's buffer where that
//     is not read again;
//   - the carried values of a repeat, their initial values (where those are not
//     read again) and its results;
//   - a value returned as an output is written where the caller wants it.
// Where buffers lie, and which of them lie over each other, is the runtime's,
// which knows the sizes.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_BUILDMANIFEST_H
#define MAPSTO_COMPILER_PACKAGE_BUILDMANIFEST_H

#include "compiler/KernelAttributes.h"
#include "compiler/package/PackedWeights.h"
#include "runtime/manifest_writer.h"

namespace mapsto {

/// The manifest, without what only the caller knows (target, options, the
/// weights' id and file). Failure, with a diagnostic, if the module is not a
/// schedule of kernels: a defect of the compiler.
mlir::FailureOr<ManifestModel> buildManifest(mlir::ModuleOp module,
                                             const WeightTable &weights);

/// A size as the manifest has it; `symbols` in manifest order. Every symbol of
/// `dim` must be among them.
ManifestExpr manifestExpr(const Dim &dim,
                          llvm::ArrayRef<ManifestSymbol> symbols);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_BUILDMANIFEST_H
