//===- KernelAttributes.h - What passes note on kernels ---------*- C++ -*-===//
//
// The attributes by which one phase tells the next about a kernel, and in the
// end the manifest. Sizes are texts of `Dim`s.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNELATTRIBUTES_H
#define MAPSTO_COMPILER_KERNELATTRIBUTES_H

#include "llvm/ADT/StringRef.h"

namespace mapsto {

/// On a kernel's function: its kind, the number of its items, bytes of scratch
/// that a thread needs, what was fused into it, the places that may meet a bad
/// index or divisor, its costs, the number of its buffers.
inline constexpr llvm::StringLiteral kKernelKindAttr = "mapsto.kernel";
inline constexpr llvm::StringLiteral kGridAttr = "mapsto.grid";
inline constexpr llvm::StringLiteral kScratchAttr = "mapsto.scratch";
inline constexpr llvm::StringLiteral kFusedAttr = "mapsto.fused";
inline constexpr llvm::StringLiteral kSitesAttr = "mapsto.sites";
inline constexpr llvm::StringLiteral kFlopsAttr = "mapsto.flops";
inline constexpr llvm::StringLiteral kBytesAttr = "mapsto.bytes";
inline constexpr llvm::StringLiteral kBuffersAttr = "mapsto.buffers";
/// On a kernel's function that a team of threads can run: how often its members
/// wait for each other.
inline constexpr llvm::StringLiteral kTeamAttr = "mapsto.team";
/// On a shader's function: "invocations" or "workgroups", whichever takes an
/// item of its grid.
inline constexpr llvm::StringLiteral kDispatchAttr = "mapsto.dispatch";
/// On a shader's function: the invocations of its workgroup, where that is not
/// the device's choice.
inline constexpr llvm::StringLiteral kWorkgroupSizeAttr =
    "mapsto.workgroup_size";
/// On a shader's function: the operand that its first result starts as.
inline constexpr llvm::StringLiteral kStartsFromAttr = "mapsto.starts_from";
/// On a shader's function: the names of its specialisation constants from
/// number 2 on, which are its last arguments, and the values that devices are
/// offered for them (see vulkan/Tiling.h).
inline constexpr llvm::StringLiteral kConstantsAttr = "mapsto.constants";
inline constexpr llvm::StringLiteral kTilingsAttr = "mapsto.tilings";
/// On a shader's function that has a variant with cooperative matrices: that
/// one's tilings, and what is above 0 where it may be taken.
inline constexpr llvm::StringLiteral kMatrixTilingsAttr =
    "mapsto.matrix_tilings";
inline constexpr llvm::StringLiteral kMatricesWhenAttr = "mapsto.matrices_when";
/// On a shader's function whose workgroups work together in its scratch: so
/// many bytes at its beginning are 0 when the shader starts.
inline constexpr llvm::StringLiteral kClearedAttr = "mapsto.cleared";
/// On a barrier: what was written to buffers may stay unseen.
inline constexpr llvm::StringLiteral kArraysOnlyAttr = "mapsto.arrays_only";
/// On an array, a loop or a value of a shader: what to call it, or its
/// variable.
inline constexpr llvm::StringLiteral kHintAttr = "mapsto.hint";
/// On a loop of a shader that is to be unrolled.
inline constexpr llvm::StringLiteral kUnrollAttr = "mapsto.unroll";
/// On a shader's function: what its buffers are called.
inline constexpr llvm::StringLiteral kBufferNamesAttr = "mapsto.buffer_names";
/// On a kernel's function whose items share memory: its bytes.
inline constexpr llvm::StringLiteral kSharedAttr = "mapsto.shared";
/// On a kernel that can write its first operand's memory as its result.
inline constexpr llvm::StringLiteral kInPlaceAttr = "mapsto.in_place";
/// On the maximum that a softmax subtracts, whose NaN are met again in what it
/// is subtracted from, and on its exp, of what is never above 0.
inline constexpr llvm::StringLiteral kOfSoftmaxAttr = "mapsto.of_softmax";
/// On the module: the names of all symbols, in the order of kernels' `dims`.
inline constexpr llvm::StringLiteral kSymbolsAttr = "mapsto.symbols";
/// On the module: what sizes must satisfy, each [left, ">=" or "==", right,
/// where].
inline constexpr llvm::StringLiteral kChecksAttr = "mapsto.checks";
/// On the module: what was raised, and what was not and why, a line each.
inline constexpr llvm::StringLiteral kRemarksAttr = "mapsto.remarks";
/// On the module, from MergeKernels: {kernel = "the one that stands for it"}.
inline constexpr llvm::StringLiteral kMergedAttr = "mapsto.merged";

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNELATTRIBUTES_H
