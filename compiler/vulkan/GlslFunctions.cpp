//===- GlslFunctions.cpp - Functions that shaders bring along -------------===//
//
// `precise` keeps drivers from simplifying what is written so for its rounding.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/GlslFunctions.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

namespace mapsto {

static constexpr GlslFunction kFunctions[] = {
    {"maximum", "", R"(
// The larger one; NaN if one is NaN.
T maximum(T a, T b) { return a > b || isnan(a) ? a : b; }
)"},
    {"minimum", "", R"(
// The smaller one; NaN if one is NaN.
T minimum(T a, T b) { return a < b || isnan(a) ? a : b; }
)"},
    {"floorDivBySize", "", R"(
// Rounded down; b > 0.
T floorDivBySize(T a, T b) { return (a < 0 ? a - b + 1 : a) / b; }
)"},
    {"floorDiv", "", R"(
// Rounded down.
T floorDiv(T a, T b) {
  const T quotient = a / b;
  return quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}
)"},
    {"ceilDiv", "", R"(
// Rounded up; b > 0.
T ceilDiv(T a, T b) { return (a > 0 ? a + b - 1 : a) / b; }
)"},
    {"remainder", "", R"(
// With the sign of a, as % is undefined for operands below 0.
T remainder(T a, T b) { return a - a / b * b; }
)"},
    {"fmod", "", R"(
// The remainder of a / b with the sign of a, exactly: b times ever smaller powers of two is
// taken off.
float fmod(float a, float b) {
  const float size = abs(b);
  if (isnan(a) || isnan(b) || isinf(a) || size == 0.0)
    return uintBitsToFloat(0x7FC00000u);
  precise float rest = abs(a);
  if (!isinf(b))
    while (rest >= size) {
      precise float step = ldexp(size, (floatBitsToInt(rest) >> 23) - (floatBitsToInt(size) >> 23));
      rest -= step > rest ? 0.5 * step : step;
    }
  return a < 0.0 ? -rest : rest;
}
)"},
    {"fromBf16", "", R"(
// A bf16 is the upper half of a float's bits.
float fromBf16(int16_t bits) { return intBitsToFloat(int(bits) << 16); }
)"},
    {"toBf16", "", R"(
// The nearest bf16, ties to even; NaN stays NaN.
int16_t toBf16(float x) {
  const int bits = floatBitsToInt(x);
  const int rounded = bits + 0x7FFF + ((bits >> 16) & 1);
  return int16_t((isnan(x) ? bits | 0x400000 : rounded) >> 16);
}
)"},
    {"copySign", "", R"(
float copySign(float size, float sign) {
  return intBitsToFloat(floatBitsToInt(size) & 0x7FFFFFFF | floatBitsToInt(sign) & 0x80000000);
}
)"},
    // M. Payne and R. Hanek, Radian reduction for trigonometric functions
    // (1983).
    {"turn", "", R"(
// x as quarter turns and a rest of at most pi/4: 96 bits of 2/pi, those that x's exponent picks,
// times x's 24, of which whole turns fall off.
float turn(float x, out uint quarters) {
  const uint bits = floatBitsToUint(x) & 0x7FFFFFFFu;
  quarters = 0u;
  if (bits <= 0x3F490FDBu)
    return x;
  const uint twoOverPi[8] = uint[](0u, 0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u,
                                   0xDB629599u, 0x3C439041u, 0xFE5163ABu);
  const int skip = min(int(bits >> 23), 254) - 120;
  const int word = skip >> 5, shift = skip & 31;
  uint w[3];
  for (int i = 0; i < 3; ++i)
    w[i] = shift == 0 ? twoOverPi[word + i]
                      : twoOverPi[word + i] << shift | twoOverPi[word + i + 1] >> (32 - shift);
  const uint mantissa = bits & 0x7FFFFFu | 0x800000u;
  uint carryLow, low, carryMiddle, middle, overflow;
  umulExtended(mantissa, w[2], carryLow, low);
  umulExtended(mantissa, w[1], carryMiddle, middle);
  middle = uaddCarry(middle, carryLow, overflow);
  const uint high = mantissa * w[0] + carryMiddle + overflow;
  quarters = high >> 30;
  const int fraction = int(high << 2 | middle >> 30);
  if (fraction < 0)
    ++quarters;
  const uint below = middle << 2 | low >> 30;
  precise float rest =
      (float(fraction) * 2.32830644e-10 + float(below) * 5.42101086e-20) * 1.57079637;
  if (x < 0.0) {
    quarters = -quarters;
    rest = -rest;
  }
  return rest;
}

// sin(x + shift * pi/2).
float shiftedSine(float x, uint shift) {
  if (isinf(x) || isnan(x))
    return uintBitsToFloat(0x7FC00000u);
  uint quarters;
  const float r = turn(x, quarters);
  quarters += shift;
  const float s = r * r;
  precise float sine = ((-1.95026742e-4 * s + 8.33216123e-3) * s - 0.166666552) * s * r + r;
  precise float cosine =
      (((2.44281884e-5 * s - 1.38873165e-3) * s + 4.16666456e-2) * s - 0.5) * s + 1.0;
  const float y = (quarters & 1u) != 0u ? cosine : sine;
  return (quarters & 2u) != 0u ? -y : y;
}
)"},
    {"sine", "turn", R"(
float sine(float x) { return shiftedSine(x, 0u); }
)"},
    {"cosine", "turn", R"(
float cosine(float x) { return shiftedSine(x, 1u); }
)"},
    {"power", "", R"(
float upperHalf(float x) { return uintBitsToFloat(floatBitsToUint(x) & 0xFFFFF000u); }

// x^y as 2^(y log2 |x|), the logarithm in two floats; products of upper halves are exact.
float power(float x, float y) {
  if (x == 1.0 || y == 0.0)
    return 1.0;
  if (isnan(x) || isnan(y))
    return uintBitsToFloat(0x7FC00000u);
  const float a = abs(x);
  const bool whole = floor(y) == y;
  const bool odd = whole && floor(0.5 * y) != 0.5 * y;
  const float infinity = uintBitsToFloat(0x7F800000u);
  precise float result;
  if (a == 1.0) {
    result = 1.0;
  } else if (isinf(y)) {
    result = (a > 1.0) == (y > 0.0) ? infinity : 0.0;
  } else if (a == 0.0 || isinf(a)) {
    result = (a == 0.0) == (y > 0.0) ? 0.0 : infinity;
  } else {
    // a = m 2^e, m around 1; log2 m = 2 / ln 2 atanh s.
    precise float scaled = a < 1.17549435e-38 ? a * 8388608.0 : a;
    const int exponent = (floatBitsToInt(scaled) - 0x3F3504F3) >> 23;
    precise float m = intBitsToFloat(floatBitsToInt(scaled) - (exponent << 23));
    precise float e = float(a < 1.17549435e-38 ? exponent - 23 : exponent);
    precise float d = m + 1.0;
    precise float s = (m - 1.0) / d;
    precise float sUp = upperHalf(s), dUp = upperHalf(d);
    precise float dLow = (1.0 - (d - m)) + (d - dUp);
    precise float sLow = (((m - 1.0) - sUp * dUp) - sUp * dLow) / d;
    precise float z = s * s;
    precise float tail =
        s * z *
        ((((0.262308189 * z + 0.320598898) * z + 0.412198583) * z + 0.577078016) * z + 0.961796694);
    precise float first = sUp * 2.88476562;
    precise float high = e + first;
    precise float low =
        (first - (high - e)) + (sUp * 6.24463324e-4 + sLow * 2.88539008 + tail);
    precise float log2Up = upperHalf(high);
    precise float log2Low = (high - log2Up) + low;
    precise float bounded = clamp(y, -1e12, 1e12);
    precise float yUp = upperHalf(bounded);
    precise float product = yUp * log2Up;
    precise float rest = (bounded - yUp) * log2Up + bounded * log2Low;
    precise float n = roundEven(clamp(product + rest, -160.0, 160.0));
    precise float r = clamp((product - n) + rest, -0.6, 0.6);
    precise float p =
        (((((1.54035304e-4 * r + 1.33335581e-3) * r + 9.61812911e-3) * r + 5.55041087e-2) * r +
          0.240226507) * r + 0.693147181) * r + 1.0;
    result = n > 140.0 ? infinity : n < -155.0 ? 0.0 : ldexp(p, int(n));
  }
  if (x < 0.0 && !whole && !isinf(x))
    return uintBitsToFloat(0x7FC00000u);
  const bool negative = (floatBitsToInt(x) < 0) && odd;
  return negative ? -result : result;
}
)"},
};

const GlslFunction &glslFunction(llvm::StringRef name) {
  for (llvm::ArrayRef<GlslFunction> functions :
       {llvm::ArrayRef(kFunctions), glslDoubles()})
    for (const GlslFunction &f : functions)
      if (f.name == name)
        return f;
  llvm_unreachable("no such function");
}

bool isReservedInGlsl(llvm::StringRef word) {
  // Keywords, words kept for later, and functions that shaders call.
  static const llvm::StringSet<> words = {"abs",
                                          "active",
                                          "all",
                                          "and",
                                          "any",
                                          "asm",
                                          "atan",
                                          "attribute",
                                          "barrier",
                                          "bool",
                                          "break",
                                          "buffer",
                                          "case",
                                          "cast",
                                          "ceil",
                                          "centroid",
                                          "clamp",
                                          "class",
                                          "coherent",
                                          "common",
                                          "const",
                                          "continue",
                                          "cos",
                                          "default",
                                          "discard",
                                          "do",
                                          "double",
                                          "else",
                                          "enum",
                                          "error",
                                          "exp",
                                          "exp2",
                                          "extern",
                                          "external",
                                          "false",
                                          "filter",
                                          "fixed",
                                          "flat",
                                          "float",
                                          "floor",
                                          "fma",
                                          "for",
                                          "goto",
                                          "half",
                                          "highp",
                                          "if",
                                          "image",
                                          "in",
                                          "inline",
                                          "inout",
                                          "input",
                                          "int",
                                          "interface",
                                          "invariant",
                                          "isinf",
                                          "isnan",
                                          "kernel",
                                          "layout",
                                          "ldexp",
                                          "log",
                                          "log2",
                                          "long",
                                          "lowp",
                                          "main",
                                          "max",
                                          "mediump",
                                          "min",
                                          "mod",
                                          "namespace",
                                          "noinline",
                                          "not",
                                          "or",
                                          "out",
                                          "output",
                                          "packed",
                                          "partition",
                                          "patch",
                                          "pow",
                                          "precise",
                                          "precision",
                                          "public",
                                          "readonly",
                                          "report",
                                          "reported",
                                          "resource",
                                          "restrict",
                                          "return",
                                          "roundEven",
                                          "sample",
                                          "sampler",
                                          "shared",
                                          "short",
                                          "sign",
                                          "sin",
                                          "sizeof",
                                          "smooth",
                                          "sqrt",
                                          "static",
                                          "struct",
                                          "subroutine",
                                          "superp",
                                          "switch",
                                          "tanh",
                                          "template",
                                          "texture",
                                          "this",
                                          "true",
                                          "trunc",
                                          "turn",
                                          "typedef",
                                          "uint",
                                          "uniform",
                                          "union",
                                          "unsigned",
                                          "using",
                                          "varying",
                                          "void",
                                          "volatile",
                                          "while",
                                          "writeonly",
                                          "inversesqrt",
                                          "intBitsToFloat",
                                          "floatBitsToInt",
                                          "uintBitsToFloat"};
  std::string function = (" " + word + "(").str();
  auto has = [&](const GlslFunction &f) { return f.text.contains(function); };
  return words.contains(word) || word.starts_with("gl_") ||
         word.contains("__") || llvm::any_of(kFunctions, has) ||
         llvm::any_of(glslDoubles(), has);
}

} // namespace mapsto
