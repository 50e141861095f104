#include "frontends/onnx/Activations.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace mapsto::onnx {

namespace {

struct Function {
  StringRef name;
  Activation::Kind kind;
  std::optional<double> alpha, beta; ///< defaults, of those that have it
};

/// Defaults are of the ops of these names (onnx/docs/Operators.md); Affine and
/// ScaledTanh, which are none any more, change nothing by default.
constexpr Function kFunctions[] = {
    {"Affine", Activation::Affine, 1.0, 0.0},
    {"Elu", Activation::Elu, 1.0, {}},
    {"HardSigmoid", Activation::HardSigmoid, 0.2, 0.5},
    {"LeakyRelu", Activation::LeakyRelu, 0.01, {}},
    {"Relu", Activation::Relu, {}, {}},
    {"ScaledTanh", Activation::ScaledTanh, 1.0, 1.0},
    {"Sigmoid", Activation::Sigmoid, {}, {}},
    {"Softplus", Activation::Softplus, {}, {}},
    {"Softsign", Activation::Softsign, {}, {}},
    {"Tanh", Activation::Tanh, {}, {}},
    {"ThresholdedRelu", Activation::ThresholdedRelu, 1.0, {}},
};

} // namespace

FailureOr<SmallVector<Activation>>
readActivations(Node &n, ArrayRef<Activation::Kind> defaults,
                int64_t directions) {
  SmallVector<Activation> result;
  SmallVector<std::string> names = n.attrStrings("activations");
  SmallVector<double> alphas = n.attrFloats("activation_alpha");
  SmallVector<double> betas = n.attrFloats("activation_beta");
  if (names.empty()) {
    for (int64_t d = 0; d < directions; ++d)
      for (Activation::Kind kind : defaults)
        result.push_back({kind});
    return result;
  }
  size_t wanted = defaults.size() * size_t(directions);
  if (names.size() != wanted)
    return n.fail("it has " + Twine(names.size()) +
                  " activations, and its direction asks for " + Twine(wanted));
  size_t nextAlpha = 0, nextBeta = 0;
  auto take = [](std::optional<double> otherwise, ArrayRef<double> given,
                 size_t &next) {
    if (!otherwise)
      return 0.0;
    return next < given.size() ? given[next++] : *otherwise;
  };
  for (StringRef name : names) {
    const Function *found = llvm::find_if(kFunctions, [&](const Function &f) {
      return f.name.equals_insensitive(name);
    });
    if (found == std::end(kFunctions))
      return n.fail("there is no activation `" + name + "`");
    double alpha = take(found->alpha, alphas, nextAlpha);
    result.push_back({found->kind, alpha, take(found->beta, betas, nextBeta)});
  }
  return result;
}

mlir::Value Activation::operator()(OpBuilder &b, Location loc,
                                   mlir::Value x) const {
  auto number = [&](double value) { return splat(b, loc, value, x.getType()); };
  auto scaled = [&](double by, mlir::Value v) -> mlir::Value {
    return MulOp::create(b, loc, v, number(by));
  };
  /// x where it is not below `least`, else `other`.
  auto from = [&](double least, mlir::Value other) -> mlir::Value {
    mlir::Value keeps =
        CompareOp::create(b, loc, ComparePredicate::ge, x, number(least));
    return SelectOp::create(b, loc, keeps, x, other);
  };
  switch (kind) {
  case Affine:
    return AddOp::create(b, loc, scaled(alpha, x), number(beta));
  case Elu:
    return from(0, scaled(alpha, Expm1Op::create(b, loc, x)));
  case HardSigmoid: {
    mlir::Value line = AddOp::create(b, loc, scaled(alpha, x), number(beta));
    return MinOp::create(b, loc, MaxOp::create(b, loc, line, number(0)),
                         number(1));
  }
  case LeakyRelu:
    return from(0, scaled(alpha, x));
  case Relu:
    return MaxOp::create(b, loc, x, number(0));
  case ScaledTanh:
    return scaled(alpha, TanhOp::create(b, loc, scaled(beta, x)));
  case Sigmoid:
    return SigmoidOp::create(b, loc, x);
  case Softplus: { // exact where exp(x) is not finite
    mlir::Value away = NegOp::create(b, loc, AbsOp::create(b, loc, x));
    return AddOp::create(b, loc, MaxOp::create(b, loc, x, number(0)),
                         Log1pOp::create(b, loc, ExpOp::create(b, loc, away)));
  }
  case Softsign:
    return DivOp::create(
        b, loc, x, AddOp::create(b, loc, AbsOp::create(b, loc, x), number(1)));
  case Tanh:
    return TanhOp::create(b, loc, x);
  case ThresholdedRelu:
    return from(alpha, number(0));
  }
}

} // namespace mapsto::onnx
