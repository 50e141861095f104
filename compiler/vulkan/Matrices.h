//===- Matrices.h - Matrices that a subgroup has together -------*- C++ -*-===//
//
// A cooperative matrix lies spread over the invocations of a subgroup, which
// read it from a shared array, multiply and write it together. In structured
// IR matrices are elements of an array of an invocation's own,
// memref<COUNT x ROWS x COLUMNS x T>, and what is done with them are calls of
// functions that have no body:
//
//   @clearMatrix(%matrices, %i)
//   @loadMatrix(%matrices, %i, %array, %at, %stride, %isColumnMajor)
//   @multiplyMatrices(%lhs, %i, %rhs, %j, %sums, %k)     sums[k] += lhs * rhs
//   @storeMatrix(%matrices, %i, %array, %at, %stride)    by rows
//
// The whole subgroup must come to each of them.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_MATRICES_H
#define MAPSTO_COMPILER_VULKAN_MATRICES_H

#include "compiler/kernel/KernelEmitter.h"

namespace mapsto {

inline constexpr llvm::StringLiteral kClearMatrix = "clearMatrix";
inline constexpr llvm::StringLiteral kLoadMatrix = "loadMatrix";
inline constexpr llvm::StringLiteral kMultiplyMatrices = "multiplyMatrices";
inline constexpr llvm::StringLiteral kStoreMatrix = "storeMatrix";

mlir::Value matrixArray(KernelEmitter &e, llvm::StringRef name,
                        mlir::Value count, mlir::Value rows,
                        mlir::Value columns, mlir::Type element);

/// Calls one of the functions, declared where it is first called.
void callMatrixFunction(KernelEmitter &e, llvm::StringRef name,
                        mlir::ValueRange operands);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_MATRICES_H
