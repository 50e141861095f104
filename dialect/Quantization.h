//===- Quantization.h - Whole numbers in place of floats --------*- C++ -*-===//
//
// The arithmetic of `#mapsto.storage<i8>`: symmetric, one scale a channel. The
// interpreter and whoever writes an artifact's bytes both call this.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_DIALECT_QUANTIZATION_H
#define MAPSTO_DIALECT_QUANTIZATION_H

#include <cmath>
#include <cstdint>

namespace mapsto {

/// The largest whole number stored; -128 is left out, so that negation stays
/// within.
inline constexpr int kLargestQuantized = 127;

/// The scale of a channel whose largest magnitude is known.
inline float quantizationScale(double largest) {
  return static_cast<float>(largest / kLargestQuantized);
}

/// The whole number that stands for x, halves to even; 0 in a channel of zeros.
/// x is finite: what is not cannot be stored.
inline int8_t quantize(double x, float scale) {
  if (scale == 0)
    return 0;
  constexpr double kLimit = kLargestQuantized;
  // Beside this a double has no room for a fraction: the adder rounds.
  constexpr double kRounder = 0x1.8p52;
  double q = std::fmax(std::fmin(x / scale, kLimit), -kLimit);
  return static_cast<int8_t>((q + kRounder) - kRounder);
}

} // namespace mapsto

#endif // MAPSTO_DIALECT_QUANTIZATION_H
