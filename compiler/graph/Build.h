//===- Build.h - Graph ops of one place, built shortly ----------*- C++ -*-===//
//
// A builder and a location carried together, over dialect/Builders.h, for
// passes that write many ops in the place of one.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_GRAPH_BUILD_H
#define MAPSTO_COMPILER_GRAPH_BUILD_H

#include "dialect/Builders.h"

namespace mapsto {

class GraphBuilder {
public:
  GraphBuilder(mlir::OpBuilder &builder, mlir::Location loc)
      : builder(builder), loc(loc) {}

  /// The one result of an op built of these operands and attributes.
  template <typename Op, typename... Args> mlir::Value create(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...)->getResult(0);
  }

  mlir::Value splat(double value, llvm::ArrayRef<Dim> dims,
                    mlir::Type elementType) {
    return mapsto::splat(builder, loc, value, tensorOf(dims, elementType));
  }
  /// Of a reshape, its operand reshaped.
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<Dim> dims) {
    while (auto inner = x.getDefiningOp<ReshapeOp>())
      x = inner.getX();
    return mapsto::reshape(builder, loc, x, dims);
  }
  mlir::Value broadcast(mlir::Value x, llvm::ArrayRef<Dim> dims) {
    return mapsto::broadcastTo(builder, loc, x, dims);
  }
  mlir::Value cast(mlir::Value x, mlir::Type elementType) {
    return mapsto::cast(builder, loc, x, elementType);
  }
  /// `size` elements from `start` along one axis.
  mlir::Value slice(mlir::Value x, int64_t axis, Dim start, Dim size) {
    return mapsto::slice(builder, loc, x, axis, start, size);
  }
  mlir::Value reduce(ReduceKind kind, mlir::Value x,
                     llvm::ArrayRef<int64_t> axes) {
    return mapsto::reduce(builder, loc, kind, x, axes);
  }
  /// A reduction over one axis, repeated along it again: shaped like x.
  mlir::Value reduceAndSpread(ReduceKind kind, mlir::Value x, int64_t axis) {
    return broadcast(
        mapsto::reduce(builder, loc, kind, x, {axis}, /*keepDims=*/true),
        dimsOf(x));
  }
  mlir::Value matmul(mlir::Value lhs, mlir::Value rhs, bool transposed) {
    return create<MatmulOp>(
        lhs, rhs, transposed ? builder.getUnitAttr() : mlir::UnitAttr());
  }
  mlir::Value add(mlir::Value a, mlir::Value b) { return create<AddOp>(a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return create<SubOp>(a, b); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return create<MulOp>(a, b); }
  mlir::Value div(mlir::Value a, mlir::Value b) { return create<DivOp>(a, b); }

  mlir::OpBuilder &builder;
  mlir::Location loc;
};

/// Whether the op computes each element of its result from the same element of
/// its operands, all of the result's shape.
inline bool isPointwise(mlir::Operation *op) {
  return op->hasTrait<mlir::OpTrait::SameOperandsAndResultShape>() &&
         op->getNumResults() == 1 && op->getNumOperands() > 0;
}

/// Whether the op is a literal, a parameter or a view: cheaper to repeat than
/// to store.
inline bool isFree(mlir::Operation *op) {
  return mlir::isa<ConstantOp, WeightOp, SizeOp, IotaOp, BroadcastOp,
                   ReshapeOp>(op);
}

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_BUILD_H
