//===- Quantized.h - Arithmetic on quantized numbers ------------*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_ONNX_QUANTIZED_H
#define MAPSTO_FRONTENDS_ONNX_QUANTIZED_H

#include "frontends/onnx/Node.h"

namespace mapsto::onnx {

/// What ops of quantized numbers say again and again.
struct Numbers {
  explicit Numbers(Node &n)
      : b(n.b), loc(n.loc), f32(n.b.getF32Type()), i32(n.b.getI32Type()) {}

  mlir::Value to(mlir::Value x, mlir::Type element) const {
    return cast(b, loc, x, element);
  }
  /// Of shapes that broadcast, as those that `spread` and `scaleFor` give.
  template <typename Op> mlir::Value apply(mlir::Value x, mlir::Value y) const {
    return *binary<Op>(b, loc, x, y);
  }
  mlir::Value clamp(mlir::Value x, double least, double most) const {
    auto number = [&](double v) { return splat(b, loc, v, x.getType()); };
    return MinOp::create(b, loc, MaxOp::create(b, loc, x, number(least)),
                         number(most));
  }
  /// q - zero point as i32; without a zero point, q.
  mlir::Value centre(mlir::Value q, mlir::Value zero) const {
    q = to(q, i32);
    return zero ? apply<SubOp>(q, to(zero, i32)) : q;
  }
  /// round(x) + zero point, in f32, kept within `type`. Sums of numbers that
  /// fit are exact there, and others are far outside.
  mlir::Value saturate(mlir::Value x, mlir::Value zero, mlir::Type type) const {
    mlir::Value sum = to(RoundOp::create(b, loc, x), f32);
    if (zero)
      sum = apply<AddOp>(sum, to(zero, f32));
    unsigned bits = type.getIntOrFloatBitWidth();
    double span = double(int64_t(1) << bits);
    double least = type.isUnsignedInteger() ? 0 : -span / 2;
    return to(clamp(sum, least, least + span - 1), carrierOf(type));
  }

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Type f32, i32;
};

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_QUANTIZED_H
