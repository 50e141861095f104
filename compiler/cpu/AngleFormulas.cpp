//===- AngleFormulas.cpp - sin, cos and atan ------------------------------===//
//
// The argument is reduced as W. Cody and W. Waite do it, by multiples of pi/2
// in two parts, in f64: the product with the first part is exact, and what
// remains is right to 2^-63, so also next to a multiple it has all bits of an
// f32. Polynomials are minimax fits (Remez).
//
//===----------------------------------------------------------------------===//

#include "compiler/cpu/MathFormulas.h"

using namespace mlir;

namespace mapsto {

/// sin(x + quarters * pi/2).
static Float sineFrom(Float x, int quarters) {
  constexpr double kWhole = 0x1.8p23;
  constexpr double high = 0x1.921fb544p+0, low = 0x1.0b4611a626331p-34;
  Float t = x * 0.6366197723675814 + kWhole;
  Float n = (t - kWhole).widened();
  Float r = (x.widened() - n * high - n * low).narrowed();
  Float s = r * r;
  Float sine =
      s.polynomial({-0x1.99024ep-13, 0x1.11067ap-7, -0x1.555544p-3}) * s * r +
      r;
  Float cosine =
      s.polynomial({0x1.99afa6p-16, -0x1.6c0b62p-10, 0x1.555548p-5, -0.5, 1});
  Whole quadrant = t.bits() + quarters;
  Float y = cosine.select(quadrant.isOdd(), sine);
  // The upper two quadrants are below 0.
  return Float::ofBits(y.bits() ^ ((quadrant & 2) << 30));
}

Float sineWithin(Float x) { return x.select(x == 0, sineFrom(x, 0)); }

Float cosineWithin(Float x) { return sineFrom(x, 1); }

/// Above 1 it is pi/2 - atan(1/x).
Float arcTangent(Float x) {
  constexpr double high = 0x1.921fb6p+0, low = -0x1.777a5cp-25;
  Float magnitude = x.abs();
  Value above = magnitude > 1;
  Float a = (x.constant(1) / magnitude).select(above, magnitude);
  Float s = a * a;
  Float p = s.polynomial({0x1.7ea6ap-9, -0x1.0c17fep-6, 0x1.61eed8p-5,
                          -0x1.3550e6p-4, 0x1.b4deb2p-4, -0x1.230a94p-3,
                          0x1.9978ecp-3, -0x1.5554dcp-2});
  Float y = p * s * a + a;
  Float rest = (y.constant(high) - y) + low;
  return rest.select(above, y).withSignOf(x);
}

} // namespace mapsto
