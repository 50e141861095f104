//===- Tiling.h - Sizes that a shader gets from the device ------*- C++ -*-===//
//
// A shader that works in tiles is written once, with the sizes of its tiles as
// specialisation constants. The compiler lists the choices, from the one that
// does most with what it loads to the one that any device can run; the runtime
// takes the first that suits the device and the sizes at hand.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_VULKAN_TILING_H
#define MAPSTO_COMPILER_VULKAN_TILING_H

#include "compiler/KernelAttributes.h"
#include "compiler/kernel/KernelEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mapsto {

/// Values of a shader's specialisation constants, and when they are right.
struct Tiling {
  uint32_t workgroupSize; ///< invocations
  uint32_t sharedBytes;
  Dim items;               ///< workgroups
  std::optional<Dim> when; ///< above 0 where this is the one; none: always
  llvm::SmallVector<int64_t, 6> constants;
  /// Of a subgroup's matrices: runtime::matrixSizes(), or 0. With them
  /// `workgroupSize` counts subgroups.
  uint32_t matrix = 0;
};

/// Number of the first constant that is a shader's own: the size of the
/// workgroup and the kernel's number come before.
inline constexpr unsigned kFirstConstant = 2;

/// Gives the function an argument that is a specialisation constant. Its value
/// stands at the same place among each tiling's constants. The function's type
/// is the caller's to mend, once its body is there.
mlir::Value addConstant(mlir::func::FuncOp function, llvm::StringRef name);

/// Gives the function an argument that is true in its variant for devices with
/// cooperative matrices. The function's type is the caller's to mend.
mlir::Value addIfMatrices(mlir::func::FuncOp function);
/// That argument; null if it has none.
mlir::Value ifMatrices(mlir::func::FuncOp function);

struct Constant {
  llvm::StringRef name;
  mlir::Value value;
};
llvm::SmallVector<Constant> constantsOf(mlir::func::FuncOp function);

/// Noted on the function: of its plain variant, or of that with matrices.
void setTilings(mlir::func::FuncOp function, llvm::ArrayRef<Tiling> tilings,
                llvm::StringRef attribute = kTilingsAttr);
llvm::SmallVector<Tiling> tilingsOf(mlir::func::FuncOp function,
                                    llvm::StringRef attribute = kTilingsAttr);

/// What the shader's text calls a value, or the loop whose variable it is.
mlir::Value named(mlir::Value value, llvm::StringRef name);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_TILING_H
