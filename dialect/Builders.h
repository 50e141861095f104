//===- Builders.h - Graph ops built the way people write them ---*- C++ -*-===//
//
// Short ways to build what frontends and passes build all the time. None of
// them builds an op that changes nothing: a value that already has the shape
// or type asked for is returned as it is. Shapes must fit; a caller that does
// not know asks first (`broadcastDims`).
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_DIALECT_BUILDERS_H
#define MAPSTO_DIALECT_BUILDERS_H

#include "dialect/MapstoDialect.h"
#include "mlir/IR/Builders.h"

#include <utility>

namespace mapsto {

/// A scalar tensor; the value is rounded to the element type (for integers:
/// towards zero; for booleans: whether it is not 0).
mlir::Value scalar(mlir::OpBuilder &b, mlir::Location loc, double value,
                   mlir::Type elementType);
mlir::Value scalar(mlir::OpBuilder &b, mlir::Location loc, int64_t value,
                   mlir::Type elementType);
inline mlir::Value scalar(mlir::OpBuilder &b, mlir::Location loc, int value,
                          mlir::Type elementType) {
  return scalar(b, loc, static_cast<int64_t>(value), elementType);
}
/// A literal of one element as an attribute of `type`, rounded as `scalar`.
mlir::DenseElementsAttr splatAttr(mlir::RankedTensorType type, double value);
/// One value in every place of a tensor of this type, of any sizes.
mlir::Value splat(mlir::OpBuilder &b, mlir::Location loc, double value,
                  mlir::Type tensorType);

/// The value that every element of x has, where that is known: x is a splat
/// literal, or one broadcast or reshaped.
std::optional<double> uniformValue(mlir::Value x);

/// The common shape of two by NumPy's rules: aligned from the right, sizes
/// equal or one of them 1. Failure where they clash.
mlir::FailureOr<Dims> broadcastDims(llvm::ArrayRef<Dim> a,
                                    llvm::ArrayRef<Dim> b);
mlir::Value broadcastTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                        llvm::ArrayRef<Dim> dims);
/// Both broadcast to their common shape; failure where there is none.
mlir::FailureOr<std::pair<mlir::Value, mlir::Value>>
broadcastTogether(mlir::OpBuilder &b, mlir::Location loc, mlir::Value lhs,
                  mlir::Value rhs);
/// Both broadcast, then the binary op; element types must agree.
template <typename BinaryOp>
mlir::FailureOr<mlir::Value> binary(mlir::OpBuilder &b, mlir::Location loc,
                                    mlir::Value lhs, mlir::Value rhs) {
  auto both = broadcastTogether(b, loc, lhs, rhs);
  if (mlir::failed(both))
    return mlir::failure();
  return mlir::Value(BinaryOp::create(b, loc, both->first, both->second));
}

mlir::Value reshape(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                    llvm::ArrayRef<Dim> dims);
mlir::Value transpose(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                      llvm::ArrayRef<int64_t> permutation);
/// `size` elements from `start` along one axis.
mlir::Value slice(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                  int64_t axis, const Dim &start, const Dim &size,
                  int64_t step = 1);
mlir::Value slice(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                  llvm::ArrayRef<Dim> starts, llvm::ArrayRef<Dim> sizes,
                  llvm::ArrayRef<int64_t> steps);
mlir::Value cast(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                 mlir::Type elementType);
/// Axes in any order, without repeats; kept as sizes of 1 with `keepDims`.
mlir::Value reduce(mlir::OpBuilder &b, mlir::Location loc, ReduceKind kind,
                   mlir::Value x, llvm::ArrayRef<int64_t> axes,
                   bool keepDims = false);
/// x [..., I] by a weight [O, I] (PyTorch's layout) plus bias [O] or null:
/// [..., O]. The leading axes are one matrix's rows.
mlir::Value linear(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                   mlir::Value transposedWeight, mlir::Value bias);

} // namespace mapsto

#endif // MAPSTO_DIALECT_BUILDERS_H
