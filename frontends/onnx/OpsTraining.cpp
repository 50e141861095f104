//===- OpsTraining.cpp - Steps of optimizers
//-------------------------------===//
//
// The ops of `ai.onnx.preview.training` that make new parameters of old ones
// and their gradients. Their inputs are a learning rate, the count of updates,
// and the parameters' tensors by kind: all the parameters, all the gradients,
// all the states.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// What one parameter is updated with, all tensors like the parameter.
struct Update {
  Term rate, count, parameter, gradient;
  SmallVector<Term, 2> states;
};

/// Gives new parameters and new states, from `step` for each parameter: the new
/// parameter, then its new states.
LogicalResult
giveUpdates(Node &n, size_t states,
            llvm::function_ref<SmallVector<Term>(const Update &)> step) {
  size_t kinds = 2 + states;
  if (n.numInputs() < 2 + kinds || (n.numInputs() - 2) % kinds != 0)
    return n.fail("it has " + Twine(n.numInputs()) + " inputs, and must have " +
                  "2 and " + Twine(kinds) + " for each parameter");
  size_t count = (n.numInputs() - 2) / kinds;
  for (size_t i = 0; i < n.numInputs(); ++i)
    if (!n.has(i))
      return n.fail("its input " + Twine(i) + " is left out");
  if (numElements(n.dims(0)) != Dim(1) || numElements(n.dims(1)) != Dim(1))
    return n.fail("its rate and its count of updates must be one number each");
  for (size_t i = 0; i < count; ++i) {
    for (size_t kind = 0; kind < kinds; ++kind) {
      size_t input = 2 + kind * count + i;
      if (failed(needFloats(n, input)))
        return failure();
      if (n.dims(input) != n.dims(2 + i) || n.type(input) != n.type(2 + i))
        return n.fail("its inputs " + Twine(2 + i) + " and " + Twine(input) +
                      " must be of one shape and type");
    }
    Term parameter = wide(n, 2 + i);
    auto spread = [&](size_t input) -> Term {
      mlir::Value number = reshape(n.b, n.loc, n.in(input), {});
      number = cast(n.b, n.loc, number, elementTypeOf(parameter.v));
      return {n, broadcastTo(n.b, n.loc, number, dimsOf(parameter.v))};
    };
    Update update{spread(0), spread(1), parameter, wide(n, 2 + count + i), {}};
    for (size_t state = 0; state < states; ++state)
      update.states.push_back(wide(n, 2 + (2 + state) * count + i));
    for (auto [kind, result] : llvm::enumerate(step(update)))
      n.give(kind * count + i, cast(n.b, n.loc, result.v, n.type(2 + i)));
  }
  return success();
}

/// The gradient with that of the regularisation `norm_coefficient` / 2 |x|^2.
Term regularised(const Update &u, double coefficient) {
  return coefficient == 0 ? u.gradient : coefficient * u.parameter + u.gradient;
}

LogicalResult adagrad(Node &n) {
  double decay = n.attrFloat("decay_factor", 0);
  double epsilon = n.attrFloat("epsilon", 1e-6);
  double norm = n.attrFloat("norm_coefficient", 0);
  return giveUpdates(n, 1, [&](const Update &u) {
    Term rate = u.rate / (1 + u.count * decay);
    Term gradient = regularised(u, norm);
    Term sum = u.states[0] + gradient * gradient;
    Term step = rate * gradient / (sqrt(sum) + epsilon);
    return SmallVector<Term>{u.parameter - step, sum};
  });
}

LogicalResult adam(Node &n) {
  double alpha = n.attrFloat("alpha", 0.9), beta = n.attrFloat("beta", 0.999);
  double epsilon = n.attrFloat("epsilon", 1e-6);
  double norm = n.attrFloat("norm_coefficient", 0);
  double after = n.attrFloat("norm_coefficient_post", 0);
  return giveUpdates(n, 2, [&](const Update &u) {
    Term gradient = regularised(u, norm);
    Term mean = alpha * u.states[0] + (1 - alpha) * gradient;
    Term square = beta * u.states[1] + (1 - beta) * (gradient * gradient);
    // What starts at zero is too small at first, but in the very first update.
    Term unbiased =
        u.rate * sqrt(1 - pow(beta, u.count)) / (1 - pow(alpha, u.count));
    Term rate = select(u.count > 0, unbiased, u.rate);
    Term result = u.parameter - rate * mean / (sqrt(square) + epsilon);
    return SmallVector<Term>{(1 - after) * result, mean, square};
  });
}

LogicalResult momentum(Node &n) {
  double alpha = n.attrFloat("alpha", 0), beta = n.attrFloat("beta", 0);
  double norm = n.attrFloat("norm_coefficient", 0);
  std::string mode = n.attrString("mode");
  if (mode != "standard" && mode != "nesterov")
    return n.fail("`mode` is " + Twine(mode) +
                  ", and must be standard or nesterov");
  return giveUpdates(n, 1, [&](const Update &u) {
    Term gradient = regularised(u, norm);
    Term scale = select(u.count > 0, u.count(beta), 1);
    Term velocity = alpha * u.states[0] + scale * gradient;
    Term step = mode == "standard" ? velocity : gradient + alpha * velocity;
    return SmallVector<Term>{u.parameter - u.rate * step, velocity};
  });
}

} // namespace

void addTrainingOps(OpTable &table) {
  table["ai.onnx.preview.training.Adagrad"] = adagrad;
  table["ai.onnx.preview.training.Adam"] = adam;
  table["ai.onnx.preview.training.Momentum"] = momentum;
}

} // namespace mapsto::onnx
