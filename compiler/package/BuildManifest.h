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

#include "compiler/package/PackedWeights.h"
#include "runtime/manifest_writer.h"

namespace mapsto {

/// Names of the attributes of a kernel's function that the manifest takes over:
/// its kind, the number of its items, bytes of scratch a thread needs, what was
/// fused into it, places that may meet a bad index, and its costs.
inline constexpr llvm::StringLiteral kKernelKindAttr = "mapsto.kernel";
inline constexpr llvm::StringLiteral kGridAttr = "mapsto.grid";
inline constexpr llvm::StringLiteral kScratchAttr = "mapsto.scratch";
inline constexpr llvm::StringLiteral kFusedAttr = "mapsto.fused";
inline constexpr llvm::StringLiteral kSitesAttr = "mapsto.sites";
inline constexpr llvm::StringLiteral kFlopsAttr = "mapsto.flops";
inline constexpr llvm::StringLiteral kBytesAttr = "mapsto.bytes";
/// On the module: the names of all symbols, in the order of kernels' `dims`.
inline constexpr llvm::StringLiteral kSymbolsAttr = "mapsto.symbols";

/// The manifest, without what only the caller knows (target, options, the
/// weights' id and file). Failure, with a diagnostic, if the module is not a
/// schedule of kernels: a defect of the compiler.
mlir::FailureOr<ManifestModel> buildManifest(mlir::ModuleOp module,
                                             const WeightTable &weights);

/// A size as the manifest has it; `symbols` in manifest order. Every symbol of
/// `dim` must be among them.
ManifestExpr manifestExpr(const Dim &dim,
                          llvm::ArrayRef<ManifestSymbol> symbols);

/// "model.mto:12:9", or "" where the location names no place in a file.
std::string placeOf(mlir::Location loc);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_BUILDMANIFEST_H
