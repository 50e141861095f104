//===- OpsGenerators.cpp - Tensors made of numbers ------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// The numbers of ranges up to this length are known.
constexpr int64_t kMostListed = 4096;

/// 0, 1, 2, ... to before `size`.
Term count(Node &n, const Dim &size, Type type) {
  return {n, IotaOp::create(n.b, n.loc, tensorOf(Dims{size}, type), 0)};
}

/// start + i * delta to before the limit; the three are scalars of type `in`.
LogicalResult giveRange(Node &n, const Dim &size) {
  Type type = n.type(0), in = widened(type);
  if (isa<IntegerType>(type))
    in = carrierOf(type);
  auto spread = [&](size_t i) -> Term {
    mlir::Value number = reshape(n.b, n.loc, n.in(i), {});
    return {n, broadcastTo(n.b, n.loc, cast(n.b, n.loc, number, in), {size})};
  };
  Term numbers = count(n, size, in) * spread(2) + spread(0);
  return n.result(cast(n.b, n.loc, numbers.v, carrierOf(type)), type);
}

LogicalResult rangeOfFloats(Node &n) {
  double numbers[3];
  for (size_t i = 0; i < 3; ++i) {
    FailureOr<SmallVector<double>> given = n.floats(i);
    if (failed(given))
      return failure();
    numbers[i] = (*given)[0];
  }
  double size = std::ceil((numbers[1] - numbers[0]) / numbers[2]);
  if (!(std::abs(size) < 0x1p31))
    return n.fail("from " + std::to_string(numbers[0]) + " to " +
                  std::to_string(numbers[1]) + " by " +
                  std::to_string(numbers[2]) + " is no range");
  return giveRange(n, Dim(std::max<int64_t>(int64_t(size), 0)));
}

/// How many numbers; one that turns out negative is refused at the call.
FailureOr<Dim> sizeOfRange(Node &n, const Dim &start, const Dim &limit,
                           const Dim &delta) {
  std::optional<int64_t> step = delta.constant();
  if (!step || *step == 0)
    return n.fail("its step is " + delta.str() +
                  ", and must be a number that is not 0");
  Dim length = *step > 0 ? limit - start : start - limit;
  Dim size = Dim::ceilDiv(length, Dim(*step > 0 ? *step : -*step));
  if (std::optional<int64_t> number = size.constant())
    return Dim(std::max<int64_t>(*number, 0));
  return size;
}

LogicalResult range(Node &n) {
  if (failed(needOneType(n)))
    return failure();
  for (size_t i = 0; i < 3; ++i)
    if (!n.has(i) || numElements(n.dims(i)) != Dim(1))
      return n.fail("its inputs must be three scalars");
  if (isa<FloatType>(n.type(0)) && !(n.known(0) && n.known(1) && n.known(2)))
    return rangeOfFloats(n);
  Dim numbers[3];
  for (size_t i = 0; i < 3; ++i) {
    FailureOr<SmallVector<Dim>> given = n.sizes(i);
    if (failed(given))
      return failure();
    numbers[i] = (*given)[0];
  }
  FailureOr<Dim> size = sizeOfRange(n, numbers[0], numbers[1], numbers[2]);
  if (failed(size))
    return failure();
  if (failed(giveRange(n, *size)))
    return failure();
  std::optional<int64_t> length = size->constant();
  if (!length || *length > kMostListed)
    return success();
  SmallVector<Dim> list;
  for (int64_t i = 0; i < *length; ++i)
    list.push_back(numbers[0] + numbers[2] * Dim(i));
  n.outputs[0].known = Known::list(list);
  return success();
}

/// A window of cosines of the angle 2πi / size: c0 - c1 cos + c2 cos of twice
/// the angle. One that is not periodic ends where it began.
LogicalResult window(Node &n, double c0, double c1, double c2) {
  FailureOr<SmallVector<Dim>> given = n.sizes(0);
  if (failed(given))
    return failure();
  if (given->size() != 1)
    return n.fail("its size is not one number");
  Dim size = (*given)[0];
  if (size.constant().value_or(0) < 0)
    return n.fail("its size is " + size.str());
  bool periodic = n.attr("periodic", 1) != 0;
  int64_t to = n.attr("output_datatype", TensorProto::FLOAT);
  Type type = typeOf(n.b.getContext(), int32_t(to));
  if (!type)
    return n.fail("windows of " + nameOf(int32_t(to)) + " are not supported");
  Term place = count(n, size, n.b.getF64Type());
  Term angle =
      place * (2 * M_PI) / sizeAs(place, periodic ? size : size - Dim(1));
  Term result = c0 - c1 * cos(angle);
  if (c2 != 0)
    result = result + c2 * cos(2 * angle);
  return n.result(cast(n.b, n.loc, result.v, carrierOf(type)), type);
}

LogicalResult hannWindow(Node &n) { return window(n, 0.5, 0.5, 0); }
LogicalResult hammingWindow(Node &n) {
  return window(n, 25.0 / 46, 21.0 / 46, 0);
}
LogicalResult blackmanWindow(Node &n) { return window(n, 0.42, 0.5, 0.08); }

/// Bins of a spectrum by bands of the mel scale: triangles between the bins of
/// neighbouring bands' middles
/// (https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html).
std::vector<double> melWeights(int64_t bands, int64_t length, double rate,
                               double low, double high) {
  auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  int64_t bins = length / 2 + 1;
  double step = (mel(high) - mel(low)) / double(bands + 2);
  auto binOf = [&](int64_t band) {
    double hertz =
        700 * (std::pow(10, (mel(low) + double(band) * step) / 2595) - 1);
    double bin = std::floor(double(length + 1) * hertz / rate);
    return int64_t(std::clamp(bin, 0.0, double(bins)));
  };
  std::vector<double> weights(size_t(bins * bands));
  for (int64_t band = 0; band < bands; ++band) {
    int64_t from = binOf(band), middle = binOf(band + 1), to = binOf(band + 2);
    for (int64_t bin = from; bin < bins && bin <= std::max(middle, to - 1);
         ++bin) {
      bool rises = bin < middle || to <= middle;
      double weight = from == middle && bin == middle ? 1
                      : rises ? double(bin - from) / double(middle - from)
                              : double(to - bin) / double(to - middle);
      weights[size_t(bin * bands + band)] = weight;
    }
  }
  return weights;
}

LogicalResult melWeightMatrix(Node &n) {
  double numbers[5];
  for (size_t i = 0; i < 5; ++i) {
    FailureOr<SmallVector<double>> given = n.floats(i);
    if (failed(given))
      return failure();
    if (given->size() != 1)
      return n.fail("its input " + Twine(i) + " is not one number");
    numbers[i] = given->front();
  }
  int64_t to = n.attr("output_datatype", TensorProto::FLOAT);
  Type type = typeOf(n.b.getContext(), int32_t(to));
  if (!type)
    return n.fail("tables of " + nameOf(int32_t(to)) + " are not supported");
  constexpr double kMost = 1 << 16;
  auto within = [&](double x) { return x >= 1 && x <= kMost; };
  if (!within(numbers[0]) || !within(numbers[1]) || !(numbers[2] > 0) ||
      !(numbers[3] >= 0) || !(numbers[4] >= numbers[3]) ||
      numbers[0] * numbers[1] > 0x1p26)
    return n.fail("it has no bands between the frequencies given");
  int64_t bands = int64_t(numbers[0]), length = int64_t(numbers[1]);
  std::vector<double> weights =
      melWeights(bands, length, numbers[2], numbers[3], numbers[4]);
  Value table;
  table.name = n.proto.output(0);
  auto keep = [&](TensorProto::DataType stored, auto numbers) {
    std::vector<uint8_t> bytes(numbers.size() * sizeof(numbers[0]));
    memcpy(bytes.data(), numbers.data(), bytes.size());
    table.type = typeOf(n.b.getContext(), stored);
    table.data = TensorData{
        stored, {length / 2 + 1, bands}, n.importer.keep(std::move(bytes))};
  };
  if (type.isF32())
    keep(TensorProto::FLOAT,
         std::vector<float>(weights.begin(), weights.end()));
  else
    keep(TensorProto::DOUBLE, std::move(weights));
  mlir::Value whole = n.importer.materialise(table);
  return n.result(cast(n.b, n.loc, whole, carrierOf(type)), type);
}

} // namespace

void addGeneratorOps(OpTable &table) {
  table["BlackmanWindow"] = blackmanWindow;
  table["HammingWindow"] = hammingWindow;
  table["HannWindow"] = hannWindow;
  table["MelWeightMatrix"] = melWeightMatrix;
  table["Range"] = range;
}

} // namespace mapsto::onnx
