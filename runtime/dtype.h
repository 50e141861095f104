//===- dtype.h - element types: sizes, names, conversions -----------------===//

#ifndef MAPSTO_RUNTIME_DTYPE_H
#define MAPSTO_RUNTIME_DTYPE_H

#include "runtime/base.h"
#include "runtime/mapsto.h"

#include <bit>
#include <cstring>

namespace mapsto::runtime {

inline float bf16ToFloat(uint16_t h) {
  return std::bit_cast<float>(uint32_t(h) << 16);
}

/// Rounds to nearest even; NaN stays NaN.
inline uint16_t floatToBf16(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float halfToFloat(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16;
  uint32_t rest = h & 0x7fff;
  if (rest >= 0x7c00) // infinities and NaN
    return std::bit_cast<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  if (rest >= 0x400) // the exponent's bias is 15 here, 127 there
    return std::bit_cast<float>(sign | ((rest << 13) + (112u << 23)));
  float subnormal = float(rest) * 0x1p-24f;
  return sign ? -subnormal : subnormal;
}

/// Rounds to nearest even; too large becomes an infinity.
inline uint16_t floatToHalf(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f);
  uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return sign | 0x7e00;
  if (magnitude >= 0x477ff000) // 65520 and up
    return sign | 0x7c00;
  if (magnitude < 0x38800000) { // subnormal: let the adder round
    float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | uint16_t(std::bit_cast<uint32_t>(shifted) - 0x3f000000);
  }
  uint32_t odd = magnitude >> 13 & 1;
  return sign | uint16_t((magnitude + 0xfff + odd - (112u << 23)) >> 13);
}

inline bool isFloat(mapsto_dtype dtype) { return dtype <= MAPSTO_F64; }

constexpr unsigned kDtypeCount = MAPSTO_U64 + 1;

/// What NumPy calls it, without the byte order ("V2" for bf16, as ml_dtypes
/// does).
const char *numpyName(mapsto_dtype dtype);

/// Element `i` as a double (integers beyond 2^53 round).
double elementAsDouble(mapsto_dtype dtype, const void *data, int64_t i);
/// Element `i` of an integer or bool tensor.
int64_t elementAsInt(mapsto_dtype dtype, const void *data, int64_t i);
void storeDouble(mapsto_dtype dtype, void *data, int64_t i, double value);
/// Integers that do not fit wrap.
void storeInt(mapsto_dtype dtype, void *data, int64_t i, int64_t value);
/// Whether an integer dtype can hold the value.
bool fitsInt(mapsto_dtype dtype, int64_t value);

struct Shape {
  int rank = 0;
  int64_t dims[MAPSTO_MAX_RANK] = {};
  bool operator==(const Shape &) const = default;
};

/// Adds "[2, 3]".
void addShape(String &text, const Shape &shape);

/// The number of elements, or -1 where a size is negative or the count in bytes
/// overflows.
int64_t elementCount(mapsto_dtype dtype, const int64_t *dims, int rank);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_DTYPE_H
