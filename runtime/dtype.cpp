#include "runtime/dtype.h"

using namespace mapsto::runtime;

namespace {
/// Texts lie inside: a pointer would cost an executable a relocation each.
struct Dtype {
  char name[5];
  char numpy[3];

  unsigned size() const { return unsigned(numpy[1] - '0'); }
};
constexpr Dtype kDtypes[] = {
    {"f32", "f4"}, {"f16", "f2"}, {"bf16", "V2"}, {"f64", "f8"},  {"i32", "i4"},
    {"i64", "i8"}, {"i8", "i1"},  {"u8", "u1"},   {"bool", "b1"}, {"i16", "i2"},
    {"u16", "u2"}, {"u32", "u4"}, {"u64", "u8"}};
static_assert(sizeof kDtypes / sizeof *kDtypes == kDtypeCount);

/// The low bytes of an element, widened as its type says.
int64_t widen(mapsto_dtype dtype, int64_t bits) {
  unsigned unused = 64 - 8 * kDtypes[dtype].size();
  uint64_t high = uint64_t(bits) << unused;
  return kDtypes[dtype].numpy[0] == 'i' ? int64_t(high) >> unused
                                        : int64_t(high >> unused);
}
} // namespace

size_t mapsto_dtype_size(mapsto_dtype dtype) {
  return unsigned(dtype) < kDtypeCount ? kDtypes[dtype].size() : 0;
}

const char *mapsto_dtype_name(mapsto_dtype dtype) {
  return unsigned(dtype) < kDtypeCount ? kDtypes[dtype].name : "?";
}

namespace mapsto::runtime {

const char *numpyName(mapsto_dtype dtype) { return kDtypes[dtype].numpy; }

int64_t elementAsInt(mapsto_dtype dtype, const void *data, int64_t i) {
  unsigned size = kDtypes[dtype].size();
  int64_t bits = 0; // little-endian, as every machine this runs on
  memcpy(&bits, static_cast<const char *>(data) + i * size, size);
  return widen(dtype, bits);
}

double elementAsDouble(mapsto_dtype dtype, const void *data, int64_t i) {
  int64_t bits = elementAsInt(dtype, data, i);
  switch (dtype) {
  case MAPSTO_F32:
    return double(std::bit_cast<float>(int32_t(bits)));
  case MAPSTO_F16:
    return double(halfToFloat(uint16_t(bits)));
  case MAPSTO_BF16:
    return double(bf16ToFloat(uint16_t(bits)));
  case MAPSTO_F64:
    return std::bit_cast<double>(bits);
  case MAPSTO_U64:
    return double(uint64_t(bits));
  default:
    return double(bits);
  }
}

static void storeBits(mapsto_dtype dtype, void *data, int64_t i, int64_t bits) {
  unsigned size = kDtypes[dtype].size();
  memcpy(static_cast<char *>(data) + i * size, &bits, size);
}

void storeDouble(mapsto_dtype dtype, void *data, int64_t i, double value) {
  int64_t bits;
  switch (dtype) {
  case MAPSTO_F32:
    bits = std::bit_cast<int32_t>(float(value));
    break;
  case MAPSTO_F16:
    bits = floatToHalf(float(value));
    break;
  case MAPSTO_BF16:
    bits = floatToBf16(float(value));
    break;
  case MAPSTO_F64:
    bits = std::bit_cast<int64_t>(value);
    break;
  default:
    return storeInt(dtype, data, i, int64_t(value));
  }
  storeBits(dtype, data, i, bits);
}

void storeInt(mapsto_dtype dtype, void *data, int64_t i, int64_t value) {
  if (isFloat(dtype))
    return storeDouble(dtype, data, i, double(value));
  storeBits(dtype, data, i, dtype == MAPSTO_BOOL ? value != 0 : value);
}

bool fitsInt(mapsto_dtype dtype, int64_t value) {
  if (dtype == MAPSTO_BOOL)
    return value == 0 || value == 1;
  bool isUnsigned = kDtypes[dtype].numpy[0] == 'u';
  return isFloat(dtype) ||
         (widen(dtype, value) == value && !(isUnsigned && value < 0));
}

void addShape(String &text, const Shape &shape) {
  text.add('[');
  for (int i = 0; i < shape.rank; ++i)
    text.addf("%s%lld", i ? ", " : "", (long long)shape.dims[i]);
  text.add(']');
}

int64_t elementCount(mapsto_dtype dtype, const int64_t *dims, int rank) {
  int64_t count = 1, bytes;
  bool empty = false;
  for (int i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      return -1;
    empty |= dims[i] == 0;
    if (dims[i] && __builtin_mul_overflow(count, dims[i], &count))
      return -1;
  }
  if (__builtin_mul_overflow(count, int64_t(mapsto_dtype_size(dtype)), &bytes))
    return -1;
  return empty ? 0 : count;
}

} // namespace mapsto::runtime
