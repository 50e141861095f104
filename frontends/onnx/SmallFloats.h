//===- SmallFloats.h - Floats of 4 and 8 bits -------------------*- C++ -*-===//
//
// They are stored as a byte each and computed with in f32, which has all their
// numbers; what is rounded to them is made one of these numbers.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_SMALLFLOATS_H
#define MAPSTO_FRONTENDS_ONNX_SMALLFLOATS_H

#include "dialect/Builders.h"

namespace mapsto::onnx {

/// Whether elements are floats of 4 or 8 bits; null is none.
bool isSmallFloat(mlir::Type type);

/// What numbers become that a type does not have, as ONNX's Cast says it
/// (https://onnx.ai/onnx/operators/onnx__Cast.html).
struct SmallRounding {
  /// What is beyond all numbers is the largest of them; else infinity or,
  /// without one, NaN.
  bool saturate = true;
  /// To float8e8m0, which has powers of 2 alone, without signs: from halfway on
  /// `nearest` goes up. To others halves go to the even code.
  enum class Powers { up, down, nearest } powers = Powers::up;
};

/// f32 of the bytes that they are stored as.
mlir::Value decodeSmall(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value bytes, mlir::Type type);
/// Rounded to a number of `type`, as its byte; x is of f32 or f64.
mlir::Value encodeSmall(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                        mlir::Type type, SmallRounding rounding);
/// Floats and whole numbers rounded to `type`, in f32.
mlir::Value roundSmall(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                       mlir::Type type, SmallRounding rounding);

// Between what tensors of any type are stored as and computed with (Value.h).
mlir::Value fromStored(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value tensor, mlir::Type type);
mlir::Value toStored(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor,
                     mlir::Type type);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_SMALLFLOATS_H
