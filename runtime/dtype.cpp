#include "runtime/dtype.h"

using namespace mapsto::runtime;

namespace {
/// The name lies inside: a pointer would cost an executable a relocation each.
struct Dtype {
  char name[7];
  uint8_t size;
};
constexpr Dtype kDtypes[] = {{"f32", 4}, {"f16", 2}, {"bf16", 2},
                             {"f64", 8}, {"i32", 4}, {"i64", 8},
                             {"i8", 1},  {"u8", 1},  {"bool", 1}};

template <typename T> T load(const void *data, int64_t i) {
  T value;
  memcpy(&value, static_cast<const char *>(data) + i * int64_t(sizeof(T)),
         sizeof(T));
  return value;
}
template <typename T> void store(void *data, int64_t i, T value) {
  memcpy(static_cast<char *>(data) + i * int64_t(sizeof(T)), &value, sizeof(T));
}
} // namespace

size_t mapsto_dtype_size(mapsto_dtype dtype) {
  return unsigned(dtype) <= MAPSTO_BOOL ? kDtypes[dtype].size : 0;
}

const char *mapsto_dtype_name(mapsto_dtype dtype) {
  return unsigned(dtype) <= MAPSTO_BOOL ? kDtypes[dtype].name : "?";
}

namespace mapsto::runtime {

double elementAsDouble(mapsto_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case MAPSTO_F32:
    return double(load<float>(data, i));
  case MAPSTO_F16:
    return double(halfToFloat(load<uint16_t>(data, i)));
  case MAPSTO_BF16:
    return double(bf16ToFloat(load<uint16_t>(data, i)));
  case MAPSTO_F64:
    return load<double>(data, i);
  default:
    return double(elementAsInt(dtype, data, i));
  }
}

int64_t elementAsInt(mapsto_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case MAPSTO_I32:
    return load<int32_t>(data, i);
  case MAPSTO_I64:
    return load<int64_t>(data, i);
  case MAPSTO_I8:
    return load<int8_t>(data, i);
  default:
    return load<uint8_t>(data, i);
  }
}

void storeDouble(mapsto_dtype dtype, void *data, int64_t i, double value) {
  switch (dtype) {
  case MAPSTO_F32:
    return store(data, i, float(value));
  case MAPSTO_F16:
    return store(data, i, floatToHalf(float(value)));
  case MAPSTO_BF16:
    return store(data, i, floatToBf16(float(value)));
  case MAPSTO_F64:
    return store(data, i, value);
  default:
    return storeInt(dtype, data, i, int64_t(value));
  }
}

void storeInt(mapsto_dtype dtype, void *data, int64_t i, int64_t value) {
  switch (dtype) {
  case MAPSTO_I32:
    return store(data, i, int32_t(value));
  case MAPSTO_I64:
    return store(data, i, value);
  case MAPSTO_I8:
    return store(data, i, int8_t(value));
  case MAPSTO_U8:
    return store(data, i, uint8_t(value));
  case MAPSTO_BOOL:
    return store(data, i, uint8_t(value != 0));
  default:
    return storeDouble(dtype, data, i, double(value));
  }
}

bool fitsInt(mapsto_dtype dtype, int64_t value) {
  switch (dtype) {
  case MAPSTO_I32:
    return value == int32_t(value);
  case MAPSTO_I8:
    return value == int8_t(value);
  case MAPSTO_U8:
    return value == uint8_t(value);
  case MAPSTO_BOOL:
    return value == 0 || value == 1;
  default:
    return true;
  }
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
