//===- GlslDoubles.cpp - Functions of double, which GLSL has not ----------===//
//
// GLSL has arithmetic on double and no exp, sin or their like. Series are
// Taylor's, to where what follows is below half a unit in the last place. The
// way of log is fdlibm's (Sun Microsystems): log(1 + f) is f less f^2/2 less s
// (f^2/2 + R(s)), s = f / (2 + f), and sums of two doubles are T. Dekker's, "A
// floating-point technique for extending the available precision" (1971). Other
// polynomials are fits at Chebyshev's points.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/GlslFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mapsto {

static constexpr GlslFunction kFunctions[] = {
    {"partsOfDouble", "", R"(
// The half of a double that has its sign, its exponent and 20 bits more.
int upperWord(double x) { return int(unpackDouble2x32(x).y); }

double withUpperWord(double x, int upper) {
  return packDouble2x32(uvec2(unpackDouble2x32(x).x, uint(upper)));
}

double infinityOfDouble() { return packDouble2x32(uvec2(0u, 0x7FF00000u)); }
double nanOfDouble() { return packDouble2x32(uvec2(0u, 0x7FF80000u)); }

// 2^n, for n within -1022 and 1023.
double powerOf2(int n) { return packDouble2x32(uvec2(0u, uint(n + 1023) << 20)); }

// x 2^n, for x about 1: what is denormal or beyond the range is rounded once.
double scaledDouble(double x, int n) {
  const int first = n / 2;
  precise double y = x * powerOf2(first) * powerOf2(n - first);
  return y;
}

// Takes a number above 0 apart: x = m 2^exponent, m within sqrt(1/2) and sqrt(2).
double aroundOne(double x, out int exponent) {
  const bool denormal = upperWord(x) < 0x00100000;
  precise double a = denormal ? x * 18014398509481984.0lf : x;
  const int n = (upperWord(a) - 0x3FE6A09E) >> 20;
  exponent = denormal ? n - 54 : n;
  return withUpperWord(a, upperWord(a) - (n << 20));
}
)"},
    {"copySignOfDouble", "partsOfDouble", R"(
double copySignOfDouble(double size, double sign) {
  return withUpperWord(size, (upperWord(size) & 0x7FFFFFFF) | (upperWord(sign) & 0x80000000));
}
)"},
    {"exponentialPart", "partsOfDouble", R"(
// exp(r) - 1 for |r| <= ln(2)/2.
double exponentialPart(double r) {
  precise double q =
      ((((((((((1.6059043836821613e-10lf * r + 2.08767569878681e-09lf) * r +
               2.505210838544172e-08lf) * r + 2.7557319223985888e-07lf) * r +
             2.7557319223985893e-06lf) * r + 2.4801587301587302e-05lf) * r +
           0.00019841269841269841lf) * r + 0.0013888888888888889lf) * r +
         0.0083333333333333332lf) * r + 0.041666666666666664lf) * r + 0.16666666666666666lf) * r +
      0.5lf;
  precise double y = q * r * r + r;
  return y;
}

// x = n ln 2 + r; ln 2 in two parts, the first with zeros at its end: n times it is exact.
double restOfPower(double x, out int n) {
  precise double whole = roundEven(x * 1.4426950408889634lf);
  precise double r = (x - whole * 0.69314718055829871lf) - whole * 1.6465949582897082e-12lf;
  n = int(whole);
  return r;
}
)"},
    {"exponentialOfDouble", "exponentialPart", R"(
double exponentialOfDouble(double x) {
  if (isnan(x))
    return x;
  int n;
  const double r = restOfPower(clamp(x, -746.0lf, 710.0lf), n);
  precise double p = exponentialPart(r) + 1.0lf;
  return scaledDouble(p, n);
}
)"},
    {"exponential2OfDouble", "exponentialPart", R"(
double exponential2OfDouble(double x) {
  if (isnan(x))
    return x;
  const double a = clamp(x, -1076.0lf, 1025.0lf);
  const double n = roundEven(a);
  precise double p = exponentialPart((a - n) * 0.69314718055994529lf) + 1.0lf;
  return scaledDouble(p, int(n));
}
)"},
    {"exponentialMinus1OfDouble", "exponentialPart", R"(
// 2^n (exp(r) - 1) + (2^n - 1), at half its size: n may be 1024.
double exponentialMinus1OfDouble(double x) {
  if (isnan(x) || x == 0.0lf)
    return x;
  int n;
  const double p = exponentialPart(restOfPower(clamp(x, -40.0lf, 710.0lf), n));
  if (n == 0)
    return p;
  const double size = powerOf2(n - 1);
  precise double y = (size * p + (size - 0.5lf)) * 2.0lf;
  return y;
}
)"},
    {"logarithmPart", "partsOfDouble", R"(
// log(1 + f) + e ln 2, for 1 + f within sqrt(1/2) and sqrt(2).
double logarithmPart(double f, int exponent) {
  precise double e = double(exponent);
  precise double s = f / (f + 2.0lf);
  precise double z = s * s;
  precise double rest =
      (((((((((0.095238095238095233lf * z + 0.10526315789473684lf) * z + 0.11764705882352941lf) *
                 z + 0.13333333333333333lf) * z + 0.15384615384615385lf) * z +
             0.18181818181818182lf) * z + 0.22222222222222221lf) * z + 0.2857142857142857lf) * z +
        0.40000000000000002lf) * z + 0.66666666666666663lf) * z;
  precise double square = 0.5lf * f * f;
  precise double y = e * 0.69314718055829871lf -
                     ((square - (s * (square + rest) + e * 1.6465949582897082e-12lf)) - f);
  return y;
}
)"},
    {"logarithmOfDouble", "logarithmPart", R"(
double logarithmOfDouble(double x) {
  if (x == 0.0lf)
    return -infinityOfDouble();
  if (isnan(x) || x < 0.0lf)
    return nanOfDouble();
  if (isinf(x))
    return x;
  int exponent;
  precise double f = aroundOne(x, exponent) - 1.0lf;
  return logarithmPart(f, exponent);
}
)"},
    {"logarithmOf1PlusDouble", "logarithmOfDouble", R"(
// 1 + x = m 2^e: m - 1 is x 2^-e + (2^-e - 1), without rounding 1 + x.
double logarithmOf1PlusDouble(double x) {
  if (x == 0.0lf)
    return x;
  if (x <= -1.0lf || x > 1e18lf || isnan(x))
    return logarithmOfDouble(x + 1.0lf);
  int exponent;
  aroundOne(x + 1.0lf, exponent);
  const double factor = powerOf2(-exponent);
  precise double f = x * factor + (factor - 1.0lf);
  return logarithmPart(f, exponent);
}
)"},
    {"hyperbolicTangentOfDouble", "exponentialMinus1OfDouble", R"(
// (exp(2x) - 1) / (exp(2x) + 1); from 19.1 on it rounds to 1.
double hyperbolicTangentOfDouble(double x) {
  if (isnan(x) || x == 0.0lf)
    return x;
  const double minus1 = exponentialMinus1OfDouble(2.0lf * min(abs(x), 20.0lf));
  precise double y = minus1 / (minus1 + 2.0lf);
  return x < 0.0lf ? -y : y;
}
)"},
    {"errorFunctionOfDouble", "exponentialOfDouble", R"(
// Below 1 x times a polynomial in x^2, above it 1 - exp(-x^2) p((x - 2) / (x + 2)); from 5.93 on it
// rounds to 1.
double errorFunctionOfDouble(double x) {
  const double a = abs(x);
  if (isnan(x))
    return x;
  if (a < 1.0lf) {
    precise double s = x * x;
    precise double slope =
        (((((((((((5.9571761477489113e-11lf * s - 1.1372848856791674e-09lf) * s +
                  1.4659775274047436e-08lf) * s - 1.6350312701054695e-07lf) * s +
                1.6461000484121368e-06lf) * s - 1.4925595266831182e-05lf) * s +
              0.0001205533111164271lf) * s - 0.000854832698083379lf) * s +
            0.0052239776248180145lf) * s - 0.026866170645076792lf) * s +
          0.11283791670954879lf) * s - 0.37612638903183748lf) * s + 0.12837916709551259lf;
    precise double y = slope * x + x;
    return y;
  }
  if (a > 6.0lf)
    return x < 0.0lf ? -1.0lf : 1.0lf;
  precise double t = (a - 2.0lf) / (a + 2.0lf);
  precise double p =
      ((((((((((((((((-4.215301054238321e-07lf * t - 5.3226968556557863e-07lf) * t +
                     1.1780775215625583e-06lf) * t + 3.789215643758464e-06lf) * t +
                   1.392621183618803e-06lf) * t - 1.396807230177146e-05lf) * t -
                 2.7579864674305787e-05lf) * t + 2.7525480361206068e-05lf) * t +
               0.00017436116545392264lf) * t + 4.3555602195154723e-05lf) * t -
             0.00098197702656788893lf) * t - 0.00084714325092038437lf) * t +
           0.0069974617392004439lf) * t + 0.0037328924043277638lf) * t -
         0.07897858101573213lf) * t + 0.24165819424246646lf) * t - 0.42718584741395838lf) * t +
      0.25539567631050575lf;
  precise double y = 1.0lf - exponentialOfDouble(-a * a) * p;
  return x < 0.0lf ? -y : y;
}
)"},
    {"arcTangentOfDouble", "", R"(
// An angle of pi/4 or pi/2 less is atan of (a - 1) / (a + 1) or of -1 / a.
double arcTangentOfDouble(double x) {
  if (isnan(x) || x == 0.0lf)
    return x;
  const double a = abs(x);
  double quarter = 0.0lf, low = 0.0lf, t = a;
  if (a > 2.4142135623730949lf) {
    quarter = 1.5707963267948966lf;
    low = 6.123233995736766e-17lf;
    t = isinf(a) ? 0.0lf : -1.0lf / a;
  } else if (a > 0.41421356237309503lf) {
    quarter = 0.78539816339744828lf;
    low = 3.061616997868383e-17lf;
    t = (a - 1.0lf) / (a + 1.0lf);
  }
  precise double s = t * t;
  precise double p =
      (((((((((-0.01917688711906226lf * s + 0.039231658295587189lf) * s -
               0.050854497379402598lf) * s + 0.0585814891280221lf) * s -
             0.066645114473819475lf) * s + 0.076921831908260865lf) * s -
           0.090909045781239026lf) * s + 0.11111111015256361lf) * s - 0.14285714284666542lf) * s +
       0.19999999999995521lf) * s - 0.33333333333333331lf;
  precise double y = quarter + (t + (p * s * t + low));
  return x < 0.0lf ? -y : y;
}
)"},
    // M. Payne and R. Hanek, Radian reduction for trigonometric functions
    // (1983).
    {"turnOfDouble", "partsOfDouble", R"(
// x as quarter turns and a rest of at most pi/4: 192 bits of 2/pi, those that x's exponent picks,
// times x's 53, of which whole turns fall off.
double turnOfDouble(double x, out uint quarters) {
  quarters = 0u;
  if (abs(x) <= 0.78539816339744828lf)
    return x;
  const uint twoOverPi[40] =
      uint[](0u, 0u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u, 0xDB629599u, 0x3C439041u,
             0xFE5163ABu, 0xDEBBC561u, 0xB7246E3Au, 0x424DD2E0u, 0x06492EEAu, 0x09D1921Cu,
             0xFE1DEB1Cu, 0xB129A73Eu, 0xE88235F5u, 0x2EBB4484u, 0xE99C7026u, 0xB45F7E41u,
             0x3991D639u, 0x835339F4u, 0x9C845F8Bu, 0xBDF9283Bu, 0x1FF897FFu, 0xDE05980Fu,
             0xEF2F118Bu, 0x5A0A6D1Fu, 0x6D367ECFu, 0x27CB09B7u, 0x4F463F66u, 0x9E5FEA2Du,
             0x7527BAC7u, 0xEBE5F17Bu, 0x3D0739F7u, 0x8A5292EAu, 0x6BFB5FB1u, 0x1F8D5D08u,
             0x56033046u, 0xFC7B6BABu);
  const uvec2 bits = unpackDouble2x32(x);
  const int skip = int((bits.y >> 20) & 0x7FFu) - 1013;
  const int word = skip >> 5, shift = skip & 31;
  uint w[6], product[6];
  for (int i = 0; i < 6; ++i)
    w[i] = shift == 0 ? twoOverPi[word + i]
                      : twoOverPi[word + i] << shift | twoOverPi[word + i + 1] >> (32 - shift);
  uint carry = 0u, over, high, low;
  for (int i = 5; i >= 0; --i) {
    umulExtended(bits.x, w[i], high, low);
    product[i] = uaddCarry(low, carry, over);
    carry = high + over;
  }
  carry = 0u;
  const uint upper = (bits.y & 0xFFFFFu) | 0x100000u;
  for (int i = 5; i > 0; --i) {
    umulExtended(upper, w[i], high, low);
    low = uaddCarry(low, carry, over);
    high += over;
    product[i - 1] = uaddCarry(product[i - 1], low, over);
    carry = high + over;
  }
  quarters = product[0] >> 30;
  const bool more = (product[0] & 0x20000000u) != 0u; // than half a quarter
  if (more)
    ++quarters;
  precise double rest = 0.0lf;
  for (int i = 3; i >= 0; --i) {
    const uint part = product[i] << 2 | product[i + 1] >> 30;
    rest = (rest + double(more ? ~part : part)) * 2.3283064365386963e-10lf;
  }
  rest *= 1.5707963267948966lf;
  const bool negative = int(bits.y) < 0;
  if (negative)
    quarters = 0u - quarters;
  return more != negative ? -rest : rest;
}

// sin(x + shift * pi/2).
double shiftedSineOfDouble(double x, uint shift) {
  if (isinf(x) || isnan(x))
    return nanOfDouble();
  uint quarters;
  const double r = turnOfDouble(x, quarters);
  quarters += shift;
  precise double s = r * r;
  precise double sine =
      (((((((2.8114572543455206e-15lf * s - 7.6471637318198164e-13lf) * s +
            1.6059043836821613e-10lf) * s - 2.505210838544172e-08lf) * s +
          2.7557319223985893e-06lf) * s - 0.00019841269841269841lf) * s +
        0.0083333333333333332lf) * s - 0.16666666666666666lf) * s * r + r;
  precise double cosine =
      (((((((4.7794773323873853e-14lf * s - 1.1470745597729725e-11lf) * s +
            2.08767569878681e-09lf) * s - 2.7557319223985888e-07lf) * s +
          2.4801587301587302e-05lf) * s - 0.0013888888888888889lf) * s +
        0.041666666666666664lf) * s - 0.5lf) * s + 1.0lf;
  const double y = (quarters & 1u) != 0u ? cosine : (r == 0.0lf ? r : sine);
  return (quarters & 2u) != 0u ? -y : y;
}
)"},
    {"sineOfDouble", "turnOfDouble", R"(
double sineOfDouble(double x) { return shiftedSineOfDouble(x, 0u); }
)"},
    {"cosineOfDouble", "turnOfDouble", R"(
double cosineOfDouble(double x) { return shiftedSineOfDouble(x, 1u); }
)"},
    {"twoDoubles", "exponentialPart", R"(
// Sums of two doubles: exactly what x + y, for |x| >= |y| or any, and x y are.
dvec2 orderedSum(double x, double y) {
  precise double sum = x + y;
  precise double low = y - (sum - x);
  return dvec2(sum, low);
}

dvec2 twoSum(double x, double y) {
  precise double sum = x + y;
  precise double part = sum - x;
  precise double low = (x - (sum - part)) + (y - part);
  return dvec2(sum, low);
}

// The upper half of its bits.
double upperBits(double x) {
  precise double shifted = x * 134217729.0lf;
  precise double upper = shifted - (shifted - x);
  return upper;
}

dvec2 twoProduct(double x, double y) {
  precise double product = x * y;
  precise double xUp = upperBits(x), yUp = upperBits(y);
  precise double xLow = x - xUp, yLow = y - yUp;
  precise double low = ((xUp * yUp - product) + xUp * yLow + xLow * yUp) + xLow * yLow;
  return dvec2(product, low);
}

dvec2 productOfTwo(dvec2 x, dvec2 y) {
  dvec2 p = twoProduct(x.x, y.x);
  precise double low = p.y + (x.x * y.y + x.y * y.x);
  return orderedSum(p.x, low);
}

// log2 of a number above 0: 2 / ln 2 atanh((m - 1) / (m + 1)) and a whole number.
dvec2 logarithm2(double a) {
  int exponent;
  precise double m = aroundOne(a, exponent);
  precise double f = m - 1.0lf;
  const dvec2 d = twoSum(m, 1.0lf);
  precise double first = f / d.x;
  const dvec2 back = twoProduct(first, d.x);
  precise double next = ((f - back.x) - back.y - first * d.y) / d.x;
  const dvec2 s = orderedSum(first, next);
  const dvec2 z = productOfTwo(s, s);
  precise double w =
      (((((((((0.040000000000000001lf * z.x + 0.043478260869565216lf) * z.x +
              0.047619047619047616lf) * z.x + 0.052631578947368418lf) * z.x +
            0.058823529411764705lf) * z.x + 0.066666666666666666lf) * z.x +
          0.076923076923076927lf) * z.x + 0.090909090909090912lf) * z.x +
        0.1111111111111111lf) * z.x + 0.14285714285714285lf) * z.x + 0.20000000000000001lf;
  precise double tail = z.x * w;
  dvec2 u = orderedSum(0.33333333333333331lf, tail);
  u.y += 1.8503717077085941e-17lf;
  const dvec2 more = productOfTwo(s, productOfTwo(z, u));
  dvec2 sum = orderedSum(s.x, more.x);
  precise double sumLow = sum.y + (s.y + more.y);
  const dvec2 l = productOfTwo(orderedSum(sum.x, sumLow),
                               dvec2(2.8853900817779268lf, 4.0710547481862066e-17lf));
  const dvec2 all = twoSum(double(exponent), l.x);
  precise double allLow = all.y + l.y;
  return orderedSum(all.x, allLow);
}
)"},
    {"powerOfDouble", "twoDoubles", R"(
// x^y as 2^(y log2 |x|), the logarithm in two doubles.
double powerOfDouble(double x, double y) {
  if (x == 1.0lf || y == 0.0lf)
    return 1.0lf;
  if (isnan(x) || isnan(y))
    return nanOfDouble();
  const double a = abs(x);
  const bool whole = floor(y) == y;
  const bool odd = whole && floor(0.5lf * y) != 0.5lf * y;
  double result = 1.0lf;
  if (isinf(y)) {
    if (a != 1.0lf)
      result = (a > 1.0lf) == (y > 0.0lf) ? infinityOfDouble() : 0.0lf;
  } else if (a == 0.0lf || isinf(a)) {
    result = (a == 0.0lf) == (y > 0.0lf) ? 0.0lf : infinityOfDouble();
  } else if (a != 1.0lf) {
    const dvec2 l = logarithm2(a);
    const dvec2 product = productOfTwo(l, dvec2(clamp(y, -1e24lf, 1e24lf), 0.0lf));
    const double n = roundEven(clamp(product.x, -1080.0lf, 1030.0lf));
    precise double r = clamp((product.x - n) + product.y, -0.6lf, 0.6lf);
    precise double p = exponentialPart(r * 0.69314718055994529lf) + 1.0lf;
    result = scaledDouble(p, int(n));
  }
  if (x < 0.0lf && !whole && !isinf(x))
    return nanOfDouble();
  return upperWord(x) < 0 && odd ? -result : result;
}
)"},
    {"remainderOfDouble", "partsOfDouble", R"(
// The remainder of a / b with the sign of a, exactly: b times ever smaller powers of two is
// taken off.
double remainderOfDouble(double a, double b) {
  if (isnan(a) || isnan(b) || isinf(a) || b == 0.0lf)
    return nanOfDouble();
  if (abs(a) < abs(b))
    return a;
  int exponent, from;
  const double size = aroundOne(abs(b), exponent);
  precise double rest = aroundOne(abs(a), from);
  for (; from >= exponent; --from) {
    if (rest >= size)
      rest -= size;
    if (from > exponent)
      rest *= 2.0lf;
  }
  rest = scaledDouble(rest, exponent);
  return a < 0.0lf ? -rest : rest;
}
)"},
};

llvm::ArrayRef<GlslFunction> glslDoubles() { return kFunctions; }

std::optional<llvm::StringRef> functionOfDouble(Operation *op) {
  using Name = std::optional<llvm::StringRef>;
  if (op->getNumResults() != 1 || !op->getResult(0).getType().isF64())
    return std::nullopt;
  return llvm::TypeSwitch<Operation *, Name>(op)
      .Case([](math::ExpOp) { return "exponentialOfDouble"; })
      .Case([](math::Exp2Op) { return "exponential2OfDouble"; })
      .Case([](math::ExpM1Op) { return "exponentialMinus1OfDouble"; })
      .Case([](math::LogOp) { return "logarithmOfDouble"; })
      .Case([](math::Log1pOp) { return "logarithmOf1PlusDouble"; })
      .Case([](math::TanhOp) { return "hyperbolicTangentOfDouble"; })
      .Case([](math::ErfOp) { return "errorFunctionOfDouble"; })
      .Case([](math::AtanOp) { return "arcTangentOfDouble"; })
      .Case([](math::SinOp) { return "sineOfDouble"; })
      .Case([](math::CosOp) { return "cosineOfDouble"; })
      .Case([](math::PowFOp) { return "powerOfDouble"; })
      .Case([](math::CopySignOp) { return "copySignOfDouble"; })
      .Case([](arith::RemFOp) { return "remainderOfDouble"; })
      .Default(Name());
}

} // namespace mapsto
