//===- SoftmaxFormula.cpp - The exponential of a softmax ------------------===//

#include "compiler/cpu/SoftmaxFormula.h"

namespace mapsto {

/// 2^(x * scale), for x from -127 / scale on. Adding kRounder, 1.5 * 2^23 and
/// 127, rounds to a whole number, whose low bits then are the exponent of the
/// power of two.
static Float powerOfTwo(Float x, double scale) {
  constexpr double kRounder = 12582912 + 127;
  x = x.atLeast(-127 / scale);
  Float bits = scale == 1 ? x : x * scale;
  Float t = bits + kRounder;
  Float r = bits - (t - kRounder);
  Float p = r.polynomial({0x1.5c08e6p-10, 0x1.3d0c52p-7, 0x1.c6b6e4p-5,
                          0x1.ebf918p-3, 0x1.62e428p-1, 1});
  return p * Float::ofBits(t.bits() << 23);
}

Float softmaxExp2(Float x) { return powerOfTwo(x, 1); }

Float softmaxExp(Float x) { return powerOfTwo(x, 1.442695040888963); }

} // namespace mapsto
