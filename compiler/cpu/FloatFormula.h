//===- FloatFormula.h - Formulas on floats, one or a vector -----*- C++ -*-===//
//
// Arithmetic on MLIR values, written as a formula is. Products and sums may be
// fused (`contract`) where the target has the instruction; nothing else is
// relaxed, so adding and subtracting a large constant rounds as meant.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_CPU_FLOATFORMULA_H
#define MAPSTO_COMPILER_CPU_FLOATFORMULA_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

namespace mapsto {

using Builder = mlir::ImplicitLocOpBuilder;

/// `like` with another element type.
inline mlir::Type withElement(mlir::Type like, mlir::Type element) {
  if (auto vector = mlir::dyn_cast<mlir::VectorType>(like))
    return vector.clone(element);
  return element;
}

inline mlir::Value splatOf(Builder &b, mlir::Type type, mlir::TypedAttr value) {
  if (auto vector = mlir::dyn_cast<mlir::VectorType>(type))
    return mlir::arith::ConstantOp::create(
        b, mlir::DenseElementsAttr::get(vector, mlir::Attribute(value)));
  return mlir::arith::ConstantOp::create(b, value);
}

/// Whole numbers as wide as a Float: its bits.
struct Whole {
  Builder *b;
  mlir::Value v;

  Whole constant(int64_t c) const {
    mlir::Type element = mlir::getElementTypeOrSelf(v);
    return {b, splatOf(*b, v.getType(), b->getIntegerAttr(element, c))};
  }
  template <typename Op> Whole with(Whole y) const {
    return {b, Op::create(*b, v, y.v)};
  }
  Whole operator+(Whole y) const { return with<mlir::arith::AddIOp>(y); }
  Whole operator-(Whole y) const { return with<mlir::arith::SubIOp>(y); }
  Whole operator^(Whole y) const { return with<mlir::arith::XOrIOp>(y); }
  Whole operator+(int64_t c) const { return *this + constant(c); }
  Whole operator-(int64_t c) const { return *this - constant(c); }
  Whole operator&(int64_t c) const {
    return with<mlir::arith::AndIOp>(constant(c));
  }
  Whole operator<<(int64_t c) const {
    return with<mlir::arith::ShLIOp>(constant(c));
  }
  /// Keeps the sign.
  Whole operator>>(int64_t c) const {
    return with<mlir::arith::ShRSIOp>(constant(c));
  }
  mlir::Value isOdd() const {
    return mlir::arith::TruncIOp::create(
        *b, withElement(v.getType(), b->getI1Type()), v);
  }
  Whole select(mlir::Value condition, Whole otherwise) const {
    return {b, mlir::arith::SelectOp::create(*b, condition, v, otherwise.v)};
  }
};

struct Float {
  Builder *b;
  mlir::Value v;

  static constexpr auto fused = mlir::arith::FastMathFlags::contract;

  Float constant(double c) const {
    mlir::Type element = mlir::getElementTypeOrSelf(v);
    return {b, splatOf(*b, v.getType(), b->getFloatAttr(element, c))};
  }
  Float operator+(Float y) const {
    return {b, mlir::arith::AddFOp::create(*b, v, y.v, fused)};
  }
  Float operator-(Float y) const {
    return {b, mlir::arith::SubFOp::create(*b, v, y.v, fused)};
  }
  Float operator*(Float y) const {
    return {b, mlir::arith::MulFOp::create(*b, v, y.v, fused)};
  }
  Float operator/(Float y) const {
    return {b, mlir::arith::DivFOp::create(*b, v, y.v)};
  }
  Float operator+(double c) const { return *this + constant(c); }
  Float operator-(double c) const { return *this - constant(c); }
  Float operator*(double c) const { return *this * constant(c); }
  Float operator-() const { return {b, mlir::arith::NegFOp::create(*b, v)}; }
  /// *this * y + z, rounded once where the target can.
  Float timesPlus(Float y, Float z) const {
    return {b, mlir::math::FmaOp::create(*b, v, y.v, z.v)};
  }
  Float timesPlus(double y, Float z) const { return timesPlus(constant(y), z); }
  Float abs() const { return {b, mlir::math::AbsFOp::create(*b, v)}; }
  Float floor() const { return {b, mlir::math::FloorOp::create(*b, v)}; }
  Float withSignOf(Float y) const {
    return {b, mlir::math::CopySignOp::create(*b, v, y.v)};
  }
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, Float y) const {
    return mlir::arith::CmpFOp::create(*b, predicate, v, y.v);
  }
  mlir::Value operator<(double c) const {
    return compare(mlir::arith::CmpFPredicate::OLT, constant(c));
  }
  mlir::Value operator>(double c) const {
    return compare(mlir::arith::CmpFPredicate::OGT, constant(c));
  }
  mlir::Value operator==(double c) const {
    return compare(mlir::arith::CmpFPredicate::OEQ, constant(c));
  }
  Float select(mlir::Value condition, Float otherwise) const {
    return {b, mlir::arith::SelectOp::create(*b, condition, v, otherwise.v)};
  }
  /// At least `c`, at most `c`; NaN stays NaN. One instruction each.
  Float atLeast(double c) const { return constant(c).select(*this < c, *this); }
  Float atMost(double c) const { return constant(c).select(*this > c, *this); }

  Whole bits() const {
    unsigned width = mlir::getElementTypeOrSelf(v).getIntOrFloatBitWidth();
    return {b, mlir::arith::BitcastOp::create(
                   *b, withElement(v.getType(), b->getIntegerType(width)), v)};
  }
  static Float ofBits(Whole bits) {
    mlir::Type type = bits.b->getF32Type();
    if (mlir::getElementTypeOrSelf(bits.v).isInteger(64))
      type = bits.b->getF64Type();
    return {bits.b, mlir::arith::BitcastOp::create(
                        *bits.b, withElement(bits.v.getType(), type), bits.v)};
  }
  /// As f64, and as f32 again.
  Float widened() const {
    return {b, mlir::arith::ExtFOp::create(
                   *b, withElement(v.getType(), b->getF64Type()), v)};
  }
  Float narrowed() const {
    return {b, mlir::arith::TruncFOp::create(
                   *b, withElement(v.getType(), b->getF32Type()), v)};
  }
  static Float ofWhole(Whole x) {
    return {x.b, mlir::arith::SIToFPOp::create(
                     *x.b, withElement(x.v.getType(), x.b->getF32Type()), x.v)};
  }
  /// The polynomial with these coefficients, the highest power first.
  Float polynomial(std::initializer_list<double> coefficients) const {
    Float sum = constant(*coefficients.begin());
    for (double c : llvm::drop_begin(coefficients))
      sum = sum * *this + c;
    return sum;
  }
  /// The same with half as many steps one after the other and a product more,
  /// for where little else is there to do meanwhile: an even number of
  /// coefficients.
  Float polynomialByPairs(std::initializer_list<double> coefficients) const {
    Float square = *this * *this;
    const double *c = coefficients.begin();
    Float sum = *this * c[0] + c[1];
    for (size_t i = 2; i < coefficients.size(); i += 2)
      sum = sum * square + (*this * c[i] + c[i + 1]);
    return sum;
  }
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_CPU_FLOATFORMULA_H
