//===- OpsActivations.cpp - Activations -----------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

LogicalResult celu(Node &n) {
  double alpha = n.attrFloat("alpha", 1);
  return give(n, [&](Term x) {
    return max(x, 0) + min(alpha * expm1(min(x, 0) / alpha), 0);
  });
}

LogicalResult elu(Node &n) {
  double alpha = n.attrFloat("alpha", 1);
  return give(
      n, [&](Term x) { return select(x < 0, alpha * expm1(min(x, 0)), x); });
}

LogicalResult selu(Node &n) {
  double alpha = n.attrFloat("alpha", 1.67326319217681884765625);
  double gamma = n.attrFloat("gamma", 1.05070102214813232421875);
  return give(n, [&](Term x) {
    return gamma * select(x > 0, x, alpha * expm1(min(x, 0)));
  });
}

LogicalResult leakyRelu(Node &n) {
  double alpha = n.attrFloat("alpha", 0.01);
  return give(n, [&](Term x) { return select(x < 0, alpha * x, x); });
}

LogicalResult thresholdedRelu(Node &n) {
  double alpha = n.attrFloat("alpha", 1);
  return give(n, [&](Term x) { return select(x > alpha, x, 0); });
}

/// The slope is broadcast to x, never x to the slope. Until opset 6 it has one
/// number for each channel.
LogicalResult prelu(Node &n) {
  bool ofChannels = n.opset() < 7 && n.rank(0) > 1 && n.rank(1) == 1;
  auto operands =
      broadcastInputs(n, ofChannels ? std::optional(1) : std::nullopt);
  if (failed(operands) || failed(needOneType(n)))
    return failure();
  if (dimsOf((*operands)[0]) != n.dims(0))
    return n.fail("its slope " + str(n.dims(1)) + " does not broadcast to " +
                  str(n.dims(0)));
  Term x(n, (*operands)[0]), slope(n, (*operands)[1]);
  return n.result(select(x < 0, slope * x, x).v, n.type(0));
}

LogicalResult relu(Node &n) {
  return n.result(max(Term(n, n.in(0)), 0).v, n.type(0));
}

LogicalResult hardSigmoid(Node &n) {
  double alpha = n.attrFloat("alpha", 0.2), beta = n.attrFloat("beta", 0.5);
  return give(n, [&](Term x) { return max(min(alpha * x + beta, 1), 0); });
}

LogicalResult hardSwish(Node &n) {
  return give(n, [](Term x) { return x * max(min(x / 6 + 0.5, 1), 0); });
}

/// log(1 + exp(x)) without the exponential of a positive number.
Term softplusOf(Term x) { return max(x, 0) + log1p(exp(-abs(x))); }

LogicalResult softplus(Node &n) { return give(n, softplusOf); }

LogicalResult softsign(Node &n) {
  return give(n, [](Term x) { return x / (1 + abs(x)); });
}

LogicalResult mish(Node &n) {
  return give(n, [](Term x) { return x * tanh(softplusOf(x)); });
}

LogicalResult swish(Node &n) {
  double alpha = n.attrFloat("alpha", 1);
  return give(n,
              [&](Term x) { return x * sigmoid(alpha == 1 ? x : alpha * x); });
}

/// a * sigmoid(alpha * a) * b, of two tensors of one shape.
LogicalResult swiglu(Node &n) {
  double alpha = n.attrFloat("alpha", 1);
  if (failed(needFloats(n, 0)) || failed(needOneType(n)))
    return failure();
  if (n.dims(0) != n.dims(1))
    return n.fail("its inputs are " + str(n.dims(0)) + " and " +
                  str(n.dims(1)));
  Term a = wide(n, 0), b = wide(n, 1);
  Term y = a * sigmoid(alpha == 1 ? a : alpha * a) * b;
  return n.result(cast(n.b, n.loc, y.v, n.type(0)), n.type(0));
}

LogicalResult gelu(Node &n) {
  std::string approximate = n.attrString("approximate", "none");
  if (approximate == "none")
    return give(n, [](Term x) { return 0.5 * x * (1 + erf(x * M_SQRT1_2)); });
  if (approximate != "tanh")
    return n.fail("`approximate` is " + Twine(approximate) +
                  ", and must be none or tanh");
  return give(n, [](Term x) {
    Term inner = (x + 0.044715 * x * x * x) * (M_2_SQRTPI * M_SQRT1_2);
    return 0.5 * x * (1 + tanh(inner));
  });
}

/// Of any numbers; those that are not floats are computed in f64.
LogicalResult shrink(Node &n) {
  double lambda = n.attrFloat("lambd", 0.5), bias = n.attrFloat("bias", 0);
  Term x = wide(n, 0);
  Term result = select(x < -lambda, x + bias, select(x > lambda, x - bias, 0));
  Type type = n.type(0);
  return n.result(convert(n.b, n.loc, result.v, widened(type), type), type);
}

/// Drops nothing: a compiled model only infers.
LogicalResult dropout(Node &n) {
  n.ignore("ratio");
  n.ignore("seed");
  if (n.has(2)) {
    FailureOr<SmallVector<int64_t>> training = n.ints(2);
    if (failed(training))
      return failure();
    if ((*training)[0] != 0) {
      FailureOr<SmallVector<double>> ratio = n.floats(1);
      if (failed(ratio))
        return failure();
      if ((*ratio)[0] != 0)
        return n.fail("dropping at random is training",
                      "export the model for inference");
    }
  }
  Value whole = n.value(0);
  n.give(0, whole);
  if (n.wants(1)) {
    Type mask = n.opset() < 10 ? n.type(0) : Type(n.b.getI1Type());
    n.give(1, splat(n.b, n.loc, 1, tensorOf(n.dims(0), carrierOf(mask))), mask);
  }
  return success();
}

} // namespace

void addActivationOps(OpTable &table) {
  table["Celu"] = celu;
  table["Dropout"] = dropout;
  table["Elu"] = elu;
  table["Gelu"] = gelu;
  table["HardSigmoid"] = hardSigmoid;
  table["HardSwish"] = hardSwish;
  table["LeakyRelu"] = leakyRelu;
  table["Mish"] = mish;
  table["PRelu"] = prelu;
  table["Relu"] = relu;
  table["Selu"] = selu;
  table["Shrink"] = shrink;
  table["Softplus"] = softplus;
  table["Softsign"] = softsign;
  table["SwiGLU"] = swiglu;
  table["Swish"] = swish;
  table["ThresholdedRelu"] = thresholdedRelu;
}

} // namespace mapsto::onnx
