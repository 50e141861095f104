//===- TensorBuilder.h - Ops with NumPy's manners ---------------*- C++ -*-===//
//
// Builds `mapsto` ops from tensors whose shapes and types need not agree yet:
// broadcasting, promotion, and the small compositions the language needs.
// Operands must have been checked: nothing in here reports errors, except that
// `broadcastShapes` and `promote` may say that there is no answer.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_TENSORBUILDER_H
#define MAPSTO_FRONTENDS_LANGUAGE_TENSORBUILDER_H

#include "dialect/MapstoDialect.h"

#include "mlir/IR/Builders.h"

namespace mapsto {

/// The shape two tensors broadcast to; nothing where two sizes clash (then
/// `clash` has them).
std::optional<Dims> broadcastShapes(const Dims &a, const Dims &b,
                                    std::pair<Dim, Dim> *clash = nullptr);
/// bool < i8 < i16 < i32 < i64 < f16, bf16 < f32 < f64; f16 with bf16 is f32.
/// Of an unsigned integer with a signed one it is the signed one that holds
/// both, and u64 where there is none.
mlir::Type promote(mlir::Type a, mlir::Type b);
bool isFloat(mlir::Type type);
bool isBool(mlir::Type type);

class TensorBuilder {
public:
  explicit TensorBuilder(mlir::MLIRContext *context)
      : builder(context), loc(mlir::UnknownLoc::get(context)) {}

  mlir::OpBuilder builder;
  mlir::Location loc;

  mlir::Type f32() { return builder.getF32Type(); }
  mlir::Type i64() { return builder.getI64Type(); }
  mlir::Type i1() { return builder.getI1Type(); }

  /// Scalars (rank 0) of the element type.
  mlir::Value constant(double value, mlir::Type type);
  mlir::Value constantInt(int64_t value, mlir::Type type);
  mlir::Value size(const Dim &dim);

  mlir::Value cast(mlir::Value x, mlir::Type type);
  mlir::Value broadcast(mlir::Value x, const Dims &dims);
  mlir::Value reshape(mlir::Value x, const Dims &dims);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> permutation);
  mlir::Value swapAxes(mlir::Value x, int64_t a, int64_t b);
  mlir::Value unsqueeze(mlir::Value x, int64_t axis);
  mlir::Value squeeze(mlir::Value x, int64_t axis);
  /// Part of one axis.
  mlir::Value slice(mlir::Value x, int64_t axis, const Dim &start,
                    const Dim &size, int64_t step = 1);
  mlir::Value iota(const Dims &dims, int64_t axis);
  mlir::Value full(const Dims &dims, mlir::Value scalar) {
    return broadcast(scalar, dims);
  }
  mlir::Value reduce(ReduceKind kind, mlir::Value x,
                     llvm::ArrayRef<int64_t> axes, bool keepDims = false);
  /// lhs [batch..., M, K] by rhs [batch..., K, N], ranks of at least 2; batch
  /// axes are broadcast.
  mlir::Value matmul(mlir::Value lhs, mlir::Value rhs, bool transposed);
  /// x [..., K] by weight [N, K], rank of x at least 1.
  mlir::Value linear(mlir::Value x, mlir::Value weight);

  /// Both operands brought to one type and shape (which must exist).
  void unify(mlir::Value &a, mlir::Value &b);
  template <typename Op> mlir::Value binary(mlir::Value a, mlir::Value b) {
    unify(a, b);
    return Op::create(builder, loc, a, b).getResult();
  }
  mlir::Value compare(ComparePredicate predicate, mlir::Value a,
                      mlir::Value b) {
    unify(a, b);
    return CompareOp::create(builder, loc, predicate, a, b).getResult();
  }
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
};

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_TENSORBUILDER_H
