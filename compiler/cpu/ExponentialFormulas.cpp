//===- ExponentialFormulas.cpp - exp, log and what is made of them --------===//
//
// Methods: exp and log are N. Juffa's, with his polynomials, as is the way of
// log1p and the two ranges of erf, the upper one by a power whose exponent is a
// polynomial. The other polynomials are minimax fits (Remez), their
// coefficients rounded to f32.
//
// A power of two is taken apart by adding kWhole, 1.5 * 2^23: that leaves no
// bits for fractions of anything within +-2^22, so the sum's low bits are the
// nearest whole number.
//
//===----------------------------------------------------------------------===//

#include "compiler/cpu/MathFormulas.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace mapsto {

namespace {

constexpr double kWhole = 0x1.8p23;
constexpr double kLog2e = llvm::numbers::log2e;
/// ln 2 in two parts, the first with zeros at its end: n times it is exact.
constexpr double kLn2High = 0x1.62e4p-1, kLn2Low = 0x1.7f7d1cp-20;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Of an f32, whose exponent starts at its bit 23.
constexpr int kMantissaBits = 23, kExponentBias = 127;
constexpr int32_t kExponentMask = int32_t(0xff800000);

/// Added instead of kWhole it makes the low bits those of 2^n's exponent.
constexpr double kBiased = kWhole + kExponentBias;

/// 2^n for n + kBiased in `t`, n within -126 and 127.
Float powerOf2(Float t) { return Float::ofBits(t.bits() << kMantissaBits); }

/// Added instead of kWhole it leaves what `scaled` takes.
constexpr double kScaled = kWhole + 2 * kExponentBias;

/// p * 2^n, for p about 1 and n + kScaled in `t`. The low bits of t are
/// n + 254; half of that each is the biased exponent of a factor, so what is
/// denormal or beyond the range is rounded once, by the last product.
Float scaled(Float p, Float t) {
  Whole both = t.bits();
  Whole half = both >> 1;
  Float first = Float::ofBits(half << kMantissaBits);
  Float second = Float::ofBits((both - half) << kMantissaBits);
  return p * first * second;
}

/// exp(r) for |r| <= ln(2)/2.
Float expNearZero(Float r) {
  return r.polynomial({1.37805939e-3, 8.37312452e-3, 4.16695364e-2,
                       1.66664720e-1, 4.99999851e-1, 1, 1});
}

/// (2^r - 1) / r for |r| <= 1/2, within 1.1e-8 of itself.
Float power2Slope(Float r) {
  return r.polynomial({0x1.4308fcp-13, 0x1.5f07dcp-10, 0x1.3b2bap-7,
                       0x1.c6af6ep-5, 0x1.ebfbdep-3, 0x1.62e43p-1});
}

/// c 2^z for z within -126 and 126, c a power of two.
Float power2(Float z, double c = 1) {
  Float t = z + kBiased;
  Float r = z - (t - kBiased);
  Float slope = r.polynomialByPairs({c * 0x1.4b01f6p-13, c * 0x1.5fa7bcp-10,
                                     c * 0x1.3b2228p-7, c * 0x1.c6adc2p-5,
                                     c * 0x1.ebfbe6p-3, c * 0x1.62e432p-1});
  Float p = slope * r + c;
  return p * powerOf2(t);
}

/// log(1 + m) + e ln 2, m within -1/3 and 1/3.
Float logarithmOf(Float m, Float e) {
  Float s = m * m;
  Float odd =
      s.polynomial({-0.130310059, -0.121489234, -0.166845024, -0.249996305});
  Float even = s.polynomial({0.140869141, 0.139809728, 0.200121149});
  Float p = even * m + odd;
  p = p * m + 0.333331972;
  p = p * m - 0.5;
  return e * 0.693147182 + (p * s + m);
}

} // namespace

/// 2^n exp(r), n = round(x / ln 2). Beyond the limits it is 0 and infinity.
Float exponential(Float x) {
  x = x.atLeast(-104).atMost(89);
  Float t = x * kLog2e + kScaled;
  Float n = t - kScaled;
  Float r = x - n * kLn2High - n * kLn2Low;
  return scaled(expNearZero(r), t);
}

Float exponential2(Float x) {
  x = x.atLeast(-151).atMost(129);
  Float t = x + kScaled;
  Float r = x - (t - kScaled);
  return scaled(expNearZero(r * llvm::numbers::ln2), t);
}

/// 2^n (exp(r) - 1) + (2^n - 1), at half its size: n may be 128.
Float exponentialMinus1(Float x) {
  Float a = x.atLeast(-20).atMost(89);
  constexpr double halved = kBiased - 1;
  Float t = a * kLog2e + halved;
  Float n = t - halved;
  Float r = a - n * kLn2High - n * kLn2Low;
  Float q = r.polynomial({0x1.9c5626p-13, 0x1.6d4cdcp-10, 0x1.1113acp-7,
                          0x1.5554eap-5, 0x1.555554p-3, 0.5});
  Float p = q * r * r + r;
  Float half = powerOf2(t);
  Float y = half.timesPlus(p, half - 0.5) * 2;
  return x.select(x == 0, y);
}

/// m 2^e with m in [2/3, 4/3): log(m) as a polynomial in m - 1, plus e ln 2.
Float logarithm(Float x) {
  constexpr double smallestNormal = 0x1p-126;
  Value denormal = x < smallestNormal;
  Float a = (x * 0x1p23).select(denormal, x);
  Whole exponent = (a.bits() - 0x3f2aaaab) & kExponentMask;
  Float m = Float::ofBits(a.bits() - exponent) - 1;
  Float e = Float::ofWhole(exponent) * 0x1p-23 +
            x.constant(-23).select(denormal, x.constant(0));
  Float y = logarithmOf(m, e);
  // Infinity and NaN as they are, -infinity for 0, NaN below.
  y = y.select(x < kInfinity, x);
  y = x.constant(-kInfinity).select(x == 0, y);
  return x.constant(kNan).select(x < 0, y);
}

/// With 1 + x = m 2^e as above, m - 1 is x 2^-e + (2^-e - 1) without rounding
/// 1 + x.
Float logarithmOf1Plus(Float x) {
  Whole exponent = ((x + 1).bits() - 0x3f2aaaab) & kExponentMask;
  // 4 * 2^-e, which is in the range for every e.
  Float factor = Float::ofBits(exponent.constant(0x40800000) - exponent);
  Float m = x * (factor * 0.25) + (factor * 0.25 - 1);
  Float y = logarithmOf(m, Float::ofWhole(exponent) * 0x1p-23);
  // Zeros, infinity and NaN as they are, -infinity for -1, NaN below.
  y = y.select(x < kInfinity, x);
  y = x.select(x == 0, y);
  y = x.constant(-kInfinity).select(x == -1, y);
  return x.constant(kNan).select(x < -1, y);
}

/// (exp(2x) - 1) / (exp(2x) + 1); from 9.02 on it rounds to 1.
Float tanhOf(Float x) {
  constexpr double doubled = 2 * kLog2e;
  Float a = x.atLeast(-10).atMost(10);
  Float t = a.timesPlus(doubled, a.constant(kBiased));
  Float r = a.timesPlus(doubled, -(t - kBiased));
  Float power = powerOf2(t);
  Float slope = power2Slope(r);
  // The difference is written so that -0 stays -0.
  Float minus1 = power.timesPlus(slope * r, -(power.constant(1) - power));
  return minus1 / (minus1 + 2);
}

/// Below kSplit x times a polynomial in x*x, above it 1 - 2^z with a polynomial
/// for the exponent; from 3.93 on it rounds to 1.
Float erfOf(Float x) {
  constexpr double kSplit = 0.9;
  Float magnitude = x.abs();
  Float a = magnitude.atMost(4);
  Float z = a.polynomial({0x1.44a396p-12, -0x1.307224p-8, 0x1.0eb79p-5,
                          -0x1.3715c2p-3, -0x1.d590c8p-1, -0x1.a0cbd4p+0}) *
            a;
  Float t = z + kBiased;
  Float r = z - (t - kBiased);
  // What is left of 1 is less than a quarter, so 2e-7 of it is enough.
  Float p = r.polynomial({0x1.65fc2cp-10, 0x1.3d5c46p-7, 0x1.c6a2c2p-5,
                          0x1.ebf80ap-3, 0x1.62e438p-1, 0x1.000002p+0});
  Float above = -(p * powerOf2(t)) + 1;
  Float s = x * x;
  Float slope = s.polynomial({-0x1.3ba9cep-11, 0x1.479c9ep-8, -0x1.b69b96p-6,
                              0x1.ce1b86p-4, -0x1.8126ecp-2, 0x1.06eba6p-3});
  Float below = slope * x + x;
  return above.withSignOf(x).select(magnitude > kSplit, below);
}

/// max(x, 0) - |x| D(-|x|): what the normal distribution function D leaves of x
/// is a power of two whose exponent, half of it taken out, is a polynomial. It
/// is fitted for D's absolute error, and roughly right down to 2^-126.
Float geluOf(Float x) {
  Float a = x.abs().atMost(12.9);
  Float z = a.polynomial({-0x1.0c96d6p-27, 0x1.718d12p-22, -0x1.91954ep-18,
                          0x1.b25978p-15, -0x1.ba1feap-13, -0x1.d5d8d4p-14,
                          0x1.ce2fdep-8, -0x1.ae0b9ap-5, -0x1.d63a72p-2,
                          -0x1.26aed6p+0}) *
            a;
  return x.atLeast(0) - a * power2(z, 0.5);
}

/// x (1 + tanh(u)) / 2 is x / (1 + exp(-2u)), u a cubic polynomial.
Float geluByTanhOf(Float x) {
  constexpr double factor = -2 * 0.7978845608028654 * kLog2e;
  Float a = x.atLeast(-10);
  Float b = a.atMost(10);
  Float z = (b * b * (factor * 0.044715) + factor) * b;
  return a / (power2(z) + 1);
}

} // namespace mapsto
