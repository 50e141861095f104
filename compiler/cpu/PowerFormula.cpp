//===- PowerFormula.cpp - x to the power y --------------------------------===//
//
// 2^(y log2 x), the exponent in f64: log2 as 2 atanh((m - 1) / (m + 1)) / ln 2
// plus a whole number, relative error 2e-13; 2^z to 3e-9. So the result is
// within 0.6 units in the last place, wherever it lies. Both polynomials are
// minimax fits (Remez).
//
//===----------------------------------------------------------------------===//

#include "compiler/cpu/MathFormulas.h"

#include <limits>

using namespace mlir;

namespace mapsto {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// log2(a) in f64, for an f32 that is not negative.
Float logarithm2(Float a) {
  constexpr double smallestNormal = 0x1p-126;
  Value denormal = a < smallestNormal;
  Float normal = (a * 0x1p23).select(denormal, a);
  Whole exponent = (normal.bits() - 0x3f2aaaab) & int32_t(0xff800000);
  Float m = Float::ofBits(normal.bits() - exponent).widened();
  Float e = Float::ofWhole(exponent) * 0x1p-23 +
            a.constant(-23).select(denormal, a.constant(0));
  Float s = (m - 1) / (m + 1);
  Float l = (s * s).polynomial({0x1.29df6c988268ap-2, 0x1.46f13202ffe61p-2,
                                0x1.a61eaa49217cdp-2, 0x1.2776bc3ad5d5fp-1,
                                0x1.ec709dcb71a4dp-1, 0x1.71547652b7e82p+1}) *
                s +
            e.widened();
  l = l.select(a < kInfinity, a.widened());
  return l.constant(-kInfinity).select(a == 0, l);
}

/// 2^z in f64, for |z| <= 1000.
Float exponential2Of(Float z) {
  constexpr double kWhole = 0x1.8p52;
  constexpr int kMantissaBits = 52, kExponentBias = 1023;
  Float t = z + kWhole;
  Float r = z - (t - kWhole);
  Float p = r.polynomial({0x1.470b41b2430d8p-13, 0x1.5f7276884710cp-10,
                          0x1.3b270e64c698bp-7, 0x1.c6ae72dfa896ap-5,
                          0x1.ebfbe2c54198ep-3, 0x1.62e4311734092p-1, 1});
  return p * Float::ofBits((t.bits() + kExponentBias) << kMantissaBits);
}

} // namespace

Float power(Float x, Float y) {
  Builder &b = *x.b;
  auto both = [&](Value p, Value q) -> Value {
    return arith::AndIOp::create(b, p, q);
  };
  auto differ = [](Float p, Float q) {
    return p.compare(arith::CmpFPredicate::UNE, q);
  };
  // Within these limits no product is infinity times 0, and what is left out
  // is 0 or infinity as an f32.
  constexpr double mostY = 0x1p40, mostExponent = 200;
  Float magnitude = x.abs();
  Float z = y.atLeast(-mostY).atMost(mostY).widened() * logarithm2(magnitude);
  z = z.atLeast(-mostExponent).atMost(mostExponent);
  Float result = exponential2Of(z).narrowed();

  // A negative number has powers for whole y only, negative ones if y is odd.
  Float half = y * 0.5;
  Value fraction = differ(y.floor(), y);
  Value odd = arith::SelectOp::create(
      b, fraction, splatOf(b, fraction.getType(), b.getBoolAttr(false)),
      differ(half.floor(), half));
  Whole sign = x.bits() & std::numeric_limits<int32_t>::min();
  result = Float::ofBits(result.bits() ^ sign.select(odd, sign.constant(0)));
  result = result.constant(std::numeric_limits<double>::quiet_NaN())
               .select(both(fraction, both(x<0, x> - kInfinity)), result);
  // 1 even where the other number is NaN.
  Float one = x.constant(1);
  return one.select(x == 1, one.select(y == 0, result));
}

} // namespace mapsto
