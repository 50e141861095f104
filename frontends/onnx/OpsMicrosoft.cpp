//===- OpsMicrosoft.cpp - What ONNX Runtime's optimizer fuses -------------===//
//
// Ops of the domain com.microsoft, as onnxruntime's docs/ContribOperators.md
// describes them: what its optimizer and its exporters leave in transformers.
// For its attention ops see OpsMicrosoftAttention.cpp.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

Term erfGelu(Term x) { return 0.5 * x * (1 + erf(x * M_SQRT1_2)); }

Term tanhGelu(Term x) {
  return 0.5 * x *
         (1 + tanh((x + 0.044715 * x * x * x) * (M_2_SQRTPI * M_SQRT1_2)));
}

/// Of x, or of x + bias where there is a second input.
template <Term (*formula)(Term)> LogicalResult activation(Node &n) {
  if (!n.has(1))
    return give(n, formula);
  auto operands = broadcastInputs(n);
  if (failed(operands) || failed(needOneType(n)))
    return failure();
  Type type = widened(n.type(0));
  auto wide = [&](size_t i) {
    return Term(n, cast(n.b, n.loc, (*operands)[i], type));
  };
  return n.result(cast(n.b, n.loc, formula(wide(0) + wide(1)).v, n.type(0)),
                  n.type(0));
}

LogicalResult quickGelu(Node &n) {
  double alpha = n.attrFloat("alpha", 1.702);
  return give(n, [&](Term x) { return x * sigmoid(alpha * x); });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// alpha * A' B', either transposed: in its last two axes, or with `transBatch`
/// its first axis moved to before the last.
LogicalResult fusedMatMul(Node &n) {
  auto operand = [&](size_t i, StringRef side) -> mlir::Value {
    mlir::Value x = n.in(i);
    int64_t rank = n.rank(i);
    bool batch = n.attr(("transBatch" + side).str(), 0);
    bool last = n.attr(("trans" + side).str(), 0);
    auto order = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    if (batch && rank > 2)
      std::rotate(order.begin(), order.begin() + 1, order.end() - 1);
    if (last && rank > 1)
      std::swap(order[size_t(rank) - 1], order[size_t(rank) - 2]);
    return transpose(n.b, n.loc, x, order);
  };
  mlir::Value x = operand(0, "A"), y = operand(1, "B");
  Dims a = dimsOf(x), b = dimsOf(y);
  if (a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2])
    return n.fail(str(a) + " by " + str(b) + " is no matrix product");
  FailureOr<Dims> batch = broadcastDims(ArrayRef<Dim>(a).drop_back(2),
                                        ArrayRef<Dim>(b).drop_back(2));
  if (failed(batch))
    return n.fail(str(a) + " by " + str(b) + " is no matrix product");
  auto fit = [&](mlir::Value v, const Dims &dims) {
    Dims whole = *batch;
    whole.append(dims.end() - 2, dims.end());
    return broadcastTo(n.b, n.loc, v, whole);
  };
  x = fit(x, a);
  if (b.size() > 2) // one matrix serves all batches
    y = fit(y, b);
  Term product(n, MatmulOp::create(n.b, n.loc, x, y, /*transposed=*/false));
  double alpha = n.attrFloat("alpha", 1);
  return n.result((alpha == 1 ? product : alpha * product).v, n.type(0));
}

//===----------------------------------------------------------------------===//
// Normalizations over the last axes
//===----------------------------------------------------------------------===//

struct Normalized {
  mlir::Value y, mean, inverse;
};

/// (x - mean) / sqrt(variance + epsilon), or without the mean; times scale plus
/// bias (null: none), over the axes from `axis` on. In `x`'s type.
Normalized normalize(Node &n, mlir::Value x, int64_t axis, double epsilon,
                     bool centre, mlir::Value scale, mlir::Value bias) {
  Dims dims = dimsOf(x);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(axis, int64_t(dims.size())));
  Dim count = 1;
  for (int64_t a : axes)
    count *= dims[size_t(a)];
  auto spread = [&](mlir::Value v) {
    return Term(n, broadcastTo(n.b, n.loc, v, dims));
  };
  auto mean = [&](Term v) {
    Term sum(n, reduce(n.b, n.loc, ReduceKind::sum, v.v, axes,
                       /*keepDims=*/true));
    return sum / sizeAs(sum, count);
  };
  Normalized result;
  Term value(n, x);
  if (centre) {
    result.mean = mean(value).v;
    value = value - spread(result.mean);
  }
  Term variance = mean(value * value) + epsilon;
  result.inverse = RsqrtOp::create(n.b, n.loc, variance.v);
  Term y = value * spread(result.inverse);
  Type type = elementTypeOf(x);
  if (scale)
    y = y * spread(cast(n.b, n.loc, scale, type));
  if (bias)
    y = y + spread(cast(n.b, n.loc, bias, type));
  result.y = y.v;
  return result;
}

/// Checks that input `i` is one number a feature; null where it is left out.
FailureOr<mlir::Value> perFeature(Node &n, size_t i, const Dim &features) {
  if (!n.has(i))
    return mlir::Value();
  if (n.dims(i) != Dims{features})
    return n.fail("its input " + Twine(i) + " is " + str(n.dims(i)) +
                  ", expected [" + features.str() + "]");
  return n.in(i);
}

/// The sum of x, a residual and a bias, and its normalization.
template <bool centre> LogicalResult skipNormalization(Node &n) {
  Dims dims = n.dims(0);
  constexpr size_t kBias = centre ? 4 : 3;
  if (dims.size() < 2)
    return n.fail("x is " + str(dims));
  FailureOr<mlir::Value> gamma = perFeature(n, 2, dims.back());
  FailureOr<mlir::Value> beta =
      centre ? perFeature(n, 3, dims.back()) : FailureOr<mlir::Value>(nullptr);
  FailureOr<mlir::Value> bias = perFeature(n, kBias, dims.back());
  if (failed(gamma) || failed(beta) || failed(bias))
    return failure();
  FailureOr<Dims> common = broadcastDims(dims, n.dims(1));
  if (failed(common) || *common != dims)
    return n.fail("a residual of " + str(n.dims(1)) + " for " + str(dims));
  Type type = widened(n.type(0));
  auto wide = [&](mlir::Value v) {
    return Term(n, broadcastTo(n.b, n.loc, cast(n.b, n.loc, v, type), dims));
  };
  Term sum = wide(n.in(0)) + wide(n.in(1));
  if (*bias)
    sum = sum + wide(*bias);
  Normalized result =
      normalize(n, sum.v, int64_t(dims.size()) - 1,
                n.attrFloat("epsilon", 1e-12), centre, *gamma, *beta);
  auto give = [&](size_t i, mlir::Value v) {
    if (v && n.wants(i))
      n.give(i, cast(n.b, n.loc, v, n.type(0)), n.type(0));
  };
  give(0, result.y);
  if (result.mean && n.wants(1))
    n.give(1, result.mean);
  if (n.wants(2))
    n.give(2, result.inverse);
  give(3, sum.v);
  return success();
}

LogicalResult simplifiedLayerNormalization(Node &n) {
  Dims dims = n.dims(0);
  FailureOr<int64_t> axis = n.axis(n.attr("axis", -1), int64_t(dims.size()));
  if (failed(axis))
    return failure();
  n.ignore("stash_type"); // f32 at least, whatever it says
  FailureOr<Dims> common = broadcastDims(dims, n.dims(1));
  if (failed(common) || *common != dims)
    return n.fail("a scale of " + str(n.dims(1)) + " for " + str(dims));
  Normalized result =
      normalize(n, wide(n, 0).v, *axis, n.attrFloat("epsilon", 1e-5),
                /*centre=*/false, n.in(1), nullptr);
  n.give(0, cast(n.b, n.loc, result.y, n.type(1)), n.type(1));
  if (n.wants(1))
    n.give(1, result.inverse);
  return success();
}

/// The sum of the rows of up to three tables, normalized.
LogicalResult embedLayerNormalization(Node &n) {
  Dims ids = n.dims(0);
  if (ids.size() != 2)
    return n.fail("ids are " + str(ids) + ", expected [B, T]");
  auto rows = [&](size_t table, mlir::Value at) {
    return Term(n, TakeOp::create(n.b, n.loc, n.in(table), at, 0));
  };
  for (size_t table : {2, 3, 4})
    if ((table < 4 || n.has(table)) && n.rank(table) != 2)
      return n.fail("its input " + Twine(table) + " is no table");
  Term sum = rows(2, n.in(0));
  Dims dims = dimsOf(sum.v);
  mlir::Value positions;
  if (n.has(8))
    positions = n.in(8);
  else
    positions = IotaOp::create(n.b, n.loc,
                               tensorOf({Dim(1), ids[1]}, n.b.getI64Type()), 1);
  sum = sum + Term(n, broadcastTo(n.b, n.loc, rows(3, positions).v, dims));
  if (n.has(1) && n.has(4))
    sum = sum + rows(4, n.in(1));
  FailureOr<mlir::Value> gamma = perFeature(n, 5, dims.back());
  FailureOr<mlir::Value> beta = perFeature(n, 6, dims.back());
  if (failed(gamma) || failed(beta))
    return failure();
  Type type = widened(elementTypeOf(sum.v));
  Normalized result =
      normalize(n, cast(n.b, n.loc, sum.v, type), 2,
                n.attrFloat("epsilon", 1e-12), /*centre=*/true, *gamma, *beta);
  n.give(0, cast(n.b, n.loc, result.y, n.type(2)), n.type(2));
  n.ignore("mask_index_type");
  if (n.wants(1)) {
    // How many of the mask's elements are not 0.
    Type i32 = n.b.getI32Type();
    mlir::Value lengths = n.has(7)
                              ? reduce(n.b, n.loc, ReduceKind::sum,
                                       cast(n.b, n.loc, n.in(7), i32), {1})
                              : splat(n.b, n.loc, 0, tensorOf({ids[0]}, i32));
    n.give(1, lengths, i32);
  }
  if (n.wants(2))
    n.give(2, sum.v, n.type(2));
  return success();
}

} // namespace

void addMicrosoftOps(OpTable &table) {
  table["SimplifiedLayerNormalization"] = simplifiedLayerNormalization;
  table["com.microsoft.BiasGelu"] = activation<erfGelu>;
  table["com.microsoft.EmbedLayerNormalization"] = embedLayerNormalization;
  table["com.microsoft.FastGelu"] = activation<tanhGelu>;
  table["com.microsoft.FusedMatMul"] = fusedMatMul;
  table["com.microsoft.Gelu"] = activation<erfGelu>;
  table["com.microsoft.QuickGelu"] = quickGelu;
  table["com.microsoft.SimplifiedLayerNormalization"] =
      simplifiedLayerNormalization;
  table["com.microsoft.SkipLayerNormalization"] = skipNormalization<true>;
  table["com.microsoft.SkipSimplifiedLayerNormalization"] =
      skipNormalization<false>;
}

} // namespace mapsto::onnx
