//===- OpsNormalization.cpp - Means and variances taken out ---------------===//

#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// Pointwise arithmetic with NumPy's broadcasting, for shapes that are known
/// to fit.
struct Arithmetic {
  Node &n;

  template <typename Op> mlir::Value two(mlir::Value x, mlir::Value y) const {
    return *binary<Op>(n.b, n.loc, x, y);
  }
  mlir::Value add(mlir::Value x, mlir::Value y) const {
    return two<AddOp>(x, y);
  }
  mlir::Value sub(mlir::Value x, mlir::Value y) const {
    return two<SubOp>(x, y);
  }
  mlir::Value mul(mlir::Value x, mlir::Value y) const {
    return two<MulOp>(x, y);
  }
  mlir::Value div(mlir::Value x, mlir::Value y) const {
    return two<DivOp>(x, y);
  }
  mlir::Value number(double value, mlir::Value like) const {
    return scalar(n.b, n.loc, value, elementTypeOf(like));
  }
  mlir::Value to(Type type, mlir::Value x) const {
    return cast(n.b, n.loc, x, type);
  }
  /// The mean over axes, which are kept with size 1.
  mlir::Value mean(mlir::Value x, ArrayRef<int64_t> axes) const {
    Dim count = 1;
    for (int64_t axis : axes)
      count *= dimOf(x, axis);
    Value places;
    places.type = n.b.getI64Type();
    places.known = Known::scalar(count);
    mlir::Value sum = reduce(n.b, n.loc, ReduceKind::sum, x, axes, true);
    return div(sum, to(elementTypeOf(x), n.importer.materialise(places)));
  }
  mlir::Value inverseRoot(mlir::Value variance, double epsilon) const {
    mlir::Value sum = add(variance, number(epsilon, variance));
    return RsqrtOp::create(n.b, n.loc, sum);
  }
};

SmallVector<int64_t> axesFrom(int64_t first, int64_t rank) {
  return llvm::to_vector(llvm::seq<int64_t>(first, std::max(first, rank)));
}

/// x [size] as a column along axis 1 of a tensor of this rank.
FailureOr<mlir::Value> perChannel(Node &n, size_t input, const Dim &channels,
                                  size_t rank) {
  Dims dims = n.dims(input);
  if (dims.size() != 1 || dims[0] != channels)
    return n.fail("its input " + Twine(input) + " is " + str(dims) + " for " +
                  channels.str() + " channels");
  Dims column(rank - 1, Dim(1));
  column[0] = channels;
  return reshape(n.b, n.loc, n.in(input), column);
}

/// In f32 at least: sums of many halves are not halves.
Type accumulator(Node &n, Type type) {
  return type.isF64() ? type : Type(n.b.getF32Type());
}

//===----------------------------------------------------------------------===//
// Over the batch, over an instance, over groups of channels
//===----------------------------------------------------------------------===//

LogicalResult batchNormalization(Node &n) {
  Arithmetic a{n};
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  double epsilon = n.attrFloat("epsilon", 1e-5);
  double momentum = n.attrFloat("momentum", 0.9);
  bool training = n.attr("training_mode", 0) != 0;
  if (n.opset() < 7 && n.attr("is_test", 0) == 0 && n.opset() < 7)
    training = true;
  if (n.attr("spatial", 1) == 0)
    return n.fail("statistics for each place (`spatial` 0) are not supported");
  if (dims.size() < 2)
    return n.fail("x is " + str(dims) + ", without channels");
  mlir::Value statistics[4];
  for (size_t i = 0; i < 4; ++i) {
    FailureOr<mlir::Value> column = perChannel(n, i + 1, dims[1], dims.size());
    if (failed(column))
      return failure();
    statistics[i] = *column;
  }
  auto [scale, bias, mean, variance] = statistics;
  Type type = accumulator(n, elementTypeOf(x));
  mlir::Value wide = a.to(type, x);
  mean = a.to(type, mean);
  variance = a.to(type, variance);
  if (training) {
    SmallVector<int64_t> axes{0};
    llvm::append_range(axes, axesFrom(2, int64_t(dims.size())));
    mlir::Value nowMean = a.mean(wide, axes);
    mlir::Value centred = a.sub(wide, nowMean);
    mlir::Value nowVariance = a.mean(a.mul(centred, centred), axes);
    nowMean = reshape(n.b, n.loc, nowMean, dimsOf(mean));
    nowVariance = reshape(n.b, n.loc, nowVariance, dimsOf(mean));
    auto running = [&](size_t output, size_t input, mlir::Value before,
                       mlir::Value now) {
      mlir::Value mixed = a.add(a.mul(before, a.number(momentum, before)),
                                a.mul(now, a.number(1 - momentum, now)));
      mixed = reshape(n.b, n.loc, mixed, Dims{dims[1]});
      n.give(output, a.to(elementTypeOf(n.in(input)), mixed));
    };
    if (n.wants(1))
      running(1, 3, mean, nowMean);
    if (n.wants(2))
      running(2, 4, variance, nowVariance);
    mean = nowMean;
    variance = nowVariance;
  }
  // What depends on channels alone is one factor and one summand.
  mlir::Value factor =
      a.mul(a.to(type, scale), a.inverseRoot(variance, epsilon));
  mlir::Value summand = a.sub(a.to(type, bias), a.mul(mean, factor));
  return n.result(a.to(elementTypeOf(x), a.add(a.mul(wide, factor), summand)),
                  n.type(0));
}

/// (x - mean) / sqrt(variance + epsilon) over axes.
mlir::Value normalized(const Arithmetic &a, mlir::Value x,
                       ArrayRef<int64_t> axes, double epsilon) {
  mlir::Value centred = a.sub(x, a.mean(x, axes));
  mlir::Value variance = a.mean(a.mul(centred, centred), axes);
  return a.mul(centred, a.inverseRoot(variance, epsilon));
}

LogicalResult instanceNormalization(Node &n) {
  Arithmetic a{n};
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  double epsilon = n.attrFloat("epsilon", 1e-5);
  if (dims.size() < 3)
    return n.fail("x is " + str(dims) + ", without an axis of space");
  auto scale = perChannel(n, 1, dims[1], dims.size());
  auto bias = perChannel(n, 2, dims[1], dims.size());
  if (failed(scale) || failed(bias))
    return failure();
  Type type = accumulator(n, elementTypeOf(x));
  mlir::Value y =
      normalized(a, a.to(type, x), axesFrom(2, int64_t(dims.size())), epsilon);
  y = a.add(a.mul(y, a.to(type, *scale)), a.to(type, *bias));
  return n.result(a.to(elementTypeOf(x), y), n.type(0));
}

/// Scale and bias are one a group until opset 20, one a channel from 21 on.
LogicalResult groupNormalization(Node &n) {
  Arithmetic a{n};
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  double epsilon = n.attrFloat("epsilon", 1e-5);
  int64_t groups = n.attr("num_groups", 0);
  n.ignore("stash_type"); // f32 at least, whatever it says
  if (dims.size() < 2)
    return n.fail("x is " + str(dims) + ", without channels");
  auto size = groups > 0 ? Dim::exactDiv(dims[1], Dim(groups)) : std::nullopt;
  if (!size)
    return n.fail(dims[1].str() + " channels are not " + Twine(groups) +
                  " groups");
  Dims apart{dims[0], Dim(groups), *size};
  apart.append(dims.begin() + 2, dims.end());
  Type type = accumulator(n, elementTypeOf(x));
  mlir::Value y = a.to(type, reshape(n.b, n.loc, x, apart));
  y = normalized(a, y, axesFrom(2, int64_t(apart.size())), epsilon);
  if (n.opset() < 21) {
    auto scale = perChannel(n, 1, Dim(groups), apart.size());
    auto bias = perChannel(n, 2, Dim(groups), apart.size());
    if (failed(scale) || failed(bias))
      return failure();
    y = a.add(a.mul(y, a.to(type, *scale)), a.to(type, *bias));
    y = reshape(n.b, n.loc, y, dims);
  } else {
    y = reshape(n.b, n.loc, y, dims);
    auto scale = perChannel(n, 1, dims[1], dims.size());
    auto bias = perChannel(n, 2, dims[1], dims.size());
    if (failed(scale) || failed(bias))
      return failure();
    y = a.add(a.mul(y, a.to(type, *scale)), a.to(type, *bias));
  }
  return n.result(a.to(elementTypeOf(x), y), n.type(0));
}

//===----------------------------------------------------------------------===//
// Over the last axes
//===----------------------------------------------------------------------===//

/// Input `i` where it broadcasts to x.
FailureOr<mlir::Value> operand(Node &n, size_t i, ArrayRef<Dim> dims) {
  FailureOr<Dims> both = broadcastDims(dims, n.dims(i));
  if (failed(both) || ArrayRef<Dim>(*both) != dims)
    return n.fail("its input " + Twine(i) + " is " + str(n.dims(i)) +
                  " for x " + str(dims));
  return n.in(i);
}

LogicalResult layerNormalization(Node &n) {
  Arithmetic a{n};
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  double epsilon = n.attrFloat("epsilon", 1e-5);
  n.ignore("stash_type"); // f32 at least, whatever it says
  FailureOr<int64_t> axis = n.axis(n.attr("axis", -1), int64_t(dims.size()));
  if (failed(axis))
    return failure();
  SmallVector<int64_t> axes = axesFrom(*axis, int64_t(dims.size()));
  Type type = accumulator(n, elementTypeOf(x));
  mlir::Value wide = a.to(type, x);
  mlir::Value mean = a.mean(wide, axes);
  mlir::Value centred = a.sub(wide, mean);
  mlir::Value variance = a.mean(a.mul(centred, centred), axes);
  mlir::Value inverse = a.inverseRoot(variance, epsilon);
  mlir::Value y = a.to(elementTypeOf(x), a.mul(centred, inverse));
  FailureOr<mlir::Value> scale = operand(n, 1, dims);
  if (failed(scale))
    return failure();
  y = a.mul(y, *scale);
  if (n.has(2)) {
    FailureOr<mlir::Value> bias = operand(n, 2, dims);
    if (failed(bias))
      return failure();
    y = a.add(y, *bias);
  }
  n.give(0, y, n.type(0));
  if (n.wants(1))
    n.give(1, mean);
  if (n.wants(2))
    n.give(2, inverse);
  return success();
}

LogicalResult rmsNormalization(Node &n) {
  Arithmetic a{n};
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  double epsilon = n.attrFloat("epsilon", 1e-5);
  n.ignore("stash_type"); // f32 at least, whatever it says
  FailureOr<int64_t> axis = n.axis(n.attr("axis", -1), int64_t(dims.size()));
  FailureOr<mlir::Value> scale = operand(n, 1, dims);
  if (failed(axis) || failed(scale))
    return failure();
  mlir::Value wide = a.to(accumulator(n, elementTypeOf(x)), x);
  mlir::Value square =
      a.mean(a.mul(wide, wide), axesFrom(*axis, int64_t(dims.size())));
  mlir::Value y = a.mul(wide, a.inverseRoot(square, epsilon));
  return n.result(a.mul(a.to(elementTypeOf(x), y), *scale), n.type(0));
}

/// Over channels near each one: x / (bias + alpha / size * sum x^2)^beta.
LogicalResult localResponse(Node &n) {
  Arithmetic a{n};
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  double alpha = n.attrFloat("alpha", 1e-4), beta = n.attrFloat("beta", 0.75);
  double bias = n.attrFloat("bias", 1);
  int64_t size = n.attr("size", 0);
  if (size < 1 || size > 4096 || dims.size() < 2)
    return n.fail("its `size` is " + Twine(size) + " for x " + str(dims));
  Dims low(dims.size()), high(dims.size());
  low[1] = Dim((size - 1) / 2);
  high[1] = Dim(size - 1) - low[1];
  MLIRContext *context = n.b.getContext();
  mlir::Value squares =
      PadOp::create(n.b, n.loc, a.mul(x, x), a.number(0, x),
                    DimsAttr::get(context, low), DimsAttr::get(context, high));
  mlir::Value sum;
  for (int64_t k = 0; k < size; ++k) {
    mlir::Value part = slice(n.b, n.loc, squares, 1, k, dims[1]);
    sum = sum ? a.add(sum, part) : part;
  }
  mlir::Value base = a.add(a.mul(sum, a.number(alpha / double(size), sum)),
                           a.number(bias, sum));
  return n.result(a.div(x, a.two<PowOp>(base, a.number(beta, base))),
                  n.type(0));
}

} // namespace

void addNormalizationOps(OpTable &table) {
  table["BatchNormalization"] = batchNormalization;
  table["GroupNormalization"] = groupNormalization;
  table["InstanceNormalization"] = instanceNormalization;
  table["LRN"] = localResponse;
  table["LayerNormalization"] = layerNormalization;
  table["RMSNormalization"] = rmsNormalization;
}

} // namespace mapsto::onnx
