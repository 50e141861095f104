//===- Spatial.h - Windows over the axes of space ---------------*- C++ -*-===//
//
// What convolution and pooling have in common: x is [N, C, spatial...], and a
// window moves along every spatial axis.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_SPATIAL_H
#define MAPSTO_FRONTENDS_ONNX_SPATIAL_H

#include "frontends/onnx/Node.h"

namespace mapsto::onnx {

/// How a window moves along one axis.
struct Window {
  int64_t size = 1, stride = 1, dilation = 1;
  Dim low, high;     ///< places before and after the axis
  bool ceil = false; ///< a last window may reach beyond `high`

  /// From its first place to behind its last.
  int64_t reach() const { return (size - 1) * dilation + 1; }
  /// How many windows there are over `extent` places.
  Dim count(const Dim &extent) const;
};

/// The windows of a node with a kernel of `sizes` over x of `dims`, from its
/// attributes `strides`, `dilations`, `pads`, `auto_pad` and `ceil_mode`.
FailureOr<llvm::SmallVector<Window>>
windowsOf(Node &n, llvm::ArrayRef<Dim> dims, llvm::ArrayRef<int64_t> sizes);

/// Whether a window is small enough for ops that are written once for each of
/// its places; reported otherwise.
LogicalResult checkWritten(Node &n, const Window &w);

/// Attribute `name` with one number for each of `count` axes, 1 where it is
/// left out.
FailureOr<llvm::SmallVector<int64_t>> perAxis(Node &n, llvm::StringRef name,
                                              size_t count, int64_t least);

/// x with `value` (a scalar) around it; what is negative is cut off instead.
FailureOr<mlir::Value> padOrCrop(Node &n, mlir::Value x, mlir::Value value,
                                 llvm::ArrayRef<Dim> low,
                                 llvm::ArrayRef<Dim> high);

/// The same along the axes that the windows move over (those behind the first
/// two), by their `low` and `high`.
FailureOr<mlir::Value> padWindows(Node &n, mlir::Value x, double value,
                                  llvm::ArrayRef<Window> windows);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_SPATIAL_H
