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
//   @divideMatrix(%matrices, %i, %by, %j)                element by element
//   @storeMatrix(%matrices, %i, %array, %at, %stride, %isColumnMajor)
//   @barrierOfSubgroup()
//
// each with the types of the elements at the end of its name. The whole
// subgroup must come to each of them. Arrays may be of eights: vector<4xi32>,
// the bits of eight f16, which places and strides then count.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_MATRICES_H
#define MAPSTO_COMPILER_VULKAN_MATRICES_H

#include "compiler/kernel/KernelEmitter.h"
#include "compiler/vulkan/Tiling.h"

namespace mapsto {

inline constexpr llvm::StringLiteral kClearMatrix = "clearMatrix";
inline constexpr llvm::StringLiteral kLoadMatrix = "loadMatrix";
inline constexpr llvm::StringLiteral kMultiplyMatrices = "multiplyMatrices";
inline constexpr llvm::StringLiteral kDivideMatrix = "divideMatrix";
inline constexpr llvm::StringLiteral kStoreMatrix = "storeMatrix";
inline constexpr llvm::StringLiteral kBarrierOfSubgroup = "barrierOfSubgroup";

/// Of a product: rows x depth by depth x columns.
struct MatrixSizes {
  int64_t rows, columns, depth;
};
/// The first that a device has is taken. GPUs of NVIDIA and AMD have the first,
/// Intel's the second or the third, Mesa's device for CPUs the last.
inline constexpr MatrixSizes kMatrices[] = {
    {16, 16, 16}, {8, 16, 16}, {8, 8, 16}, {8, 8, 8}};

/// Elements of f16 that a row or column of a matrix begins at a multiple of: 16
/// bytes.
inline constexpr int64_t kMatrixAlignment = 8;

mlir::Value matrixArray(KernelEmitter &e, llvm::StringRef name,
                        mlir::Value count, mlir::Value rows,
                        mlir::Value columns, mlir::Type element);

/// One of an array of matrices.
struct Matrix {
  mlir::Value matrices, i;
};
/// Its place in a shared array: where it begins, and how far its rows are
/// apart, or its columns.
struct MatrixPlace {
  mlir::Value array, at, stride;
  bool isColumnMajor = false;
};
void clearMatrix(KernelEmitter &e, Matrix m);
void loadMatrix(KernelEmitter &e, Matrix m, const MatrixPlace &from);
void storeMatrix(KernelEmitter &e, Matrix m, const MatrixPlace &to);
void multiplyMatrices(KernelEmitter &e, Matrix lhs, Matrix rhs, Matrix sum);
void divideMatrix(KernelEmitter &e, Matrix m, Matrix by);

/// Eight neighbours of a buffer of f16, from a multiple of eight on, as bits.
inline constexpr int64_t kEight = 8;
inline constexpr llvm::StringLiteral kLoadEight = "loadEight";
mlir::Value loadEight(KernelEmitter &e, mlir::Value buffer, mlir::Value eight);
mlir::Type eightType(KernelEmitter &e);
/// Does a tensor of f16 lie in a buffer so that its last axis, of a multiple of
/// eight elements, is whole eights?
bool liesInEights(KernelEmitter &e, mlir::Value tensor);

/// Which subgroup of its workgroup an invocation is in.
mlir::Value subgroupOf(KernelEmitter &e);
/// Its number within the subgroup.
mlir::Value laneOf(KernelEmitter &e);
/// Waits for the other invocations of the subgroup, and sees what they have
/// written to shared arrays.
void barrierOfSubgroup(KernelEmitter &e);
/// May the condition hold in any invocation of the subgroup? The same in all of
/// them, and true where it does hold in one.
mlir::Value maySubgroupHold(KernelEmitter &e, mlir::Value condition);

/// Tests run shaders with matrices on devices that have none: with
/// MAPSTO_EMULATE_MATRICES=16x16x16 when a model is compiled, matrices of that
/// size are arrays of their invocations, and what is done with them are loops.
/// Subgroups then are of so many invocations, whatever the device's are, and
/// wait for the whole workgroup.
inline constexpr int64_t kEmulatedLanes = 32;
bool emulatesMatrices();
/// As such shaders' devices take them: those of the size, with no matrices.
llvm::SmallVector<Tiling> emulated(llvm::ArrayRef<Tiling> tilings);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_MATRICES_H
