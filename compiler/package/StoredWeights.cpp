//===- StoredWeights.cpp - Elements of a weights file, as stored ----------===//

#include "compiler/package/StoredWeights.h"
#include "dialect/Quantization.h"
#include "runtime/dtype.h"

#include <cmath>

using namespace mlir;

namespace mapsto {

mapsto_dtype dtypeOf(Type type) {
  if (type.isF16())
    return MAPSTO_F16;
  if (type.isBF16())
    return MAPSTO_BF16;
  if (type.isF64())
    return MAPSTO_F64;
  if (type.isInteger(1))
    return MAPSTO_BOOL;
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 8:
      return isUnsigned ? MAPSTO_U8 : MAPSTO_I8;
    case 16:
      return isUnsigned ? MAPSTO_U16 : MAPSTO_I16;
    case 32:
      return isUnsigned ? MAPSTO_U32 : MAPSTO_I32;
    default:
      return isUnsigned ? MAPSTO_U64 : MAPSTO_I64;
    }
  }
  return MAPSTO_F32;
}

namespace {

/// Element `at` as a float; only f32 is common enough to be read on its own.
double elementOf(const WeightView &view, int64_t at) {
  if (view.dtype != MAPSTO_F32)
    return runtime::elementAsDouble(view.dtype, view.bytes.data(), at);
  float x;
  std::memcpy(&x, view.bytes.data() + at * sizeof x, sizeof x);
  return x;
}

/// Copies elements of one size that lie apart.
template <typename T>
void gather(const char *from, int64_t fromStep, char *to, int64_t toStep,
            int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * toStep * sizeof(T), from + i * fromStep * sizeof(T),
                sizeof(T));
}

/// f32 to a float of 16 bits.
template <uint16_t (*narrow)(float)>
void narrowRun(const char *from, int64_t fromStep, char *to, int64_t toStep,
               int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    float x;
    std::memcpy(&x, from + i * fromStep * sizeof x, sizeof x);
    uint16_t stored = narrow(x);
    std::memcpy(to + i * toStep * sizeof stored, &stored, sizeof stored);
  }
}

/// The loops for what is common: as it is, or f32 to half of its bits.
using Run = void (*)(const char *, int64_t, char *, int64_t, int64_t);
Run commonRun(mapsto_dtype from, mapsto_dtype to) {
  if (from == to)
    switch (mapsto_dtype_size(to)) {
    case 1:
      return gather<uint8_t>;
    case 2:
      return gather<uint16_t>;
    case 4:
      return gather<uint32_t>;
    default:
      return gather<uint64_t>;
    }
  if (from == MAPSTO_F32 && to == MAPSTO_F16)
    return narrowRun<runtime::floatToHalf>;
  if (from == MAPSTO_F32 && to == MAPSTO_BF16)
    return narrowRun<runtime::floatToBf16>;
  return nullptr;
}

} // namespace

std::vector<float> channelScales(const WeightView &matrix, int64_t channels) {
  int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  std::vector<double> largest(matrix.shape[channels]);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      double &known = largest[channels == 0 ? r : c];
      known = std::max(known, std::abs(elementOf(matrix, r * columns + c)));
    }
  std::vector<float> scales;
  for (double magnitude : largest)
    scales.push_back(quantizationScale(magnitude));
  return scales;
}

ElementWriter::ElementWriter(const WeightView &view, mapsto_dtype dtype,
                             StorageAttr stored, ArrayRef<float> scales)
    : view(view), dtype(dtype), scales(scales) {
  if (stored)
    channels = stored.getChannels();
}

void ElementWriter::write(int64_t first, int64_t step, int64_t count, char *to,
                          int64_t toStep) const {
  if (channels)
    return quantizeRun(first, step, count, to, toStep);
  if (Run run = commonRun(view.dtype, dtype))
    return run(view.bytes.data() + first * mapsto_dtype_size(view.dtype), step,
               to, toStep, count);
  const char *from = view.bytes.data();
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = first + i * step;
    if (runtime::isFloat(dtype))
      runtime::storeDouble(dtype, to, i * toStep,
                           runtime::elementAsDouble(view.dtype, from, at));
    else
      runtime::storeInt(dtype, to, i * toStep,
                        runtime::elementAsInt(view.dtype, from, at));
  }
}

void ElementWriter::quantizeRun(int64_t first, int64_t step, int64_t count,
                                char *to, int64_t toStep) const {
  int64_t columns = view.shape[1];
  bool isColumn = step == columns;
  int64_t channel = *channels == 0 ? first / columns : first % columns;
  int64_t channelStep = isColumn == (*channels == 0) ? 1 : 0;
  for (int64_t i = 0; i < count; ++i)
    to[i * toStep] = static_cast<char>(quantize(
        elementOf(view, first + i * step), scales[channel + i * channelStep]));
}

double StorageLoss::relative() const {
  return magnitude > 0 ? std::sqrt(difference / magnitude) : 0;
}

StorageLoss measureStorage(const WeightView &matrix, StorageAttr stored) {
  int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  mapsto_dtype dtype = dtypeOf(stored.getType());
  std::optional<int64_t> channels = stored.getChannels();
  std::vector<float> scales;
  if (channels)
    scales = channelScales(matrix, *channels);
  ElementWriter writer(matrix, dtype, stored, scales);
  StorageLoss loss;
  loss.bytes = rows * columns * int64_t(mapsto_dtype_size(dtype)) +
               int64_t(scales.size() * sizeof(float));
  std::vector<char> row(columns * mapsto_dtype_size(dtype));
  for (int64_t r = 0; r < rows; ++r) {
    writer.write(r * columns, 1, columns, row.data());
    for (int64_t c = 0; c < columns; ++c) {
      double x = elementOf(matrix, r * columns + c);
      double scale = channels ? scales[*channels == 0 ? r : c] : 1;
      double kept = scale * runtime::elementAsDouble(dtype, row.data(), c);
      if (!std::isfinite(x) || !std::isfinite(kept)) {
        // One that is not finite spoils the scale of others.
        if (!loss.impossible || !std::isfinite(x))
          loss.impossible = x;
        continue;
      }
      loss.largest = std::max(loss.largest, std::abs(x - kept));
      loss.difference += (x - kept) * (x - kept);
      loss.magnitude += x * x;
    }
  }
  return loss;
}

} // namespace mapsto
