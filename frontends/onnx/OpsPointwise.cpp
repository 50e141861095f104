//===- OpsPointwise.cpp - Element by element ------------------------------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

template <typename Op> LogicalResult unary(Node &n) {
  mlir::Value x = n.in(0);
  return n.result(Op::create(n.b, n.loc, x), n.type(0));
}

LogicalResult clash(Node &n) {
  return n.fail("shapes " + str(n.dims(0)) + " and " + str(n.dims(1)) +
                    " do not broadcast",
                "sizes of other names that are always equal: fix one with "
                "--dim NAME=SIZE");
}

template <typename Op> FailureOr<mlir::Value> both(Node &n) {
  FailureOr<mlir::Value> result = binary<Op>(n.b, n.loc, n.in(0), n.in(1));
  if (failed(result))
    return clash(n);
  return result;
}

using Compute = std::optional<Dim> (*)(ArrayRef<Dim>);

std::optional<Known> foldTwo(Node &n, Compute compute) {
  return fold({n.known(0), n.known(1)}, compute);
}

std::optional<Dim> addDims(ArrayRef<Dim> x) { return x[0] + x[1]; }
std::optional<Dim> subDims(ArrayRef<Dim> x) { return x[0] - x[1]; }
std::optional<Dim> mulDims(ArrayRef<Dim> x) { return x[0] * x[1]; }

/// Whole numbers are divided towards zero. Sizes are never negative.
std::optional<Dim> divDims(ArrayRef<Dim> x) {
  auto a = x[0].constant(), b = x[1].constant();
  if (a && b)
    return *b ? std::optional<Dim>(Dim(*a / *b)) : std::nullopt;
  if (auto exact = Dim::exactDiv(x[0], x[1]))
    return exact;
  return b && *b > 0 ? std::optional<Dim>(Dim::floorDiv(x[0], x[1]))
                     : std::nullopt;
}

template <typename Op, Compute compute> LogicalResult arithmetic(Node &n) {
  return n.resultOr(foldTwo(n, compute), n.type(0),
                    [&] { return both<Op>(n); });
}

/// x / y, of whole numbers towards zero (`mapsto.div` rounds down).
LogicalResult div(Node &n) {
  return n.resultOr(
      foldTwo(n, divDims), n.type(0), [&]() -> FailureOr<mlir::Value> {
        if (isa<FloatType>(n.type(0)))
          return both<DivOp>(n);
        auto operands = broadcastTogether(n.b, n.loc, n.in(0), n.in(1));
        if (failed(operands))
          return clash(n);
        auto [x, y] = *operands;
        auto sign = [&](mlir::Value v) {
          return SignOp::create(n.b, n.loc, v);
        };
        mlir::Value magnitude =
            DivOp::create(n.b, n.loc, AbsOp::create(n.b, n.loc, x),
                          AbsOp::create(n.b, n.loc, y));
        return mlir::Value(
            MulOp::create(n.b, n.loc, magnitude,
                          MulOp::create(n.b, n.loc, sign(x), sign(y))));
      });
}

template <ComparePredicate predicate> LogicalResult compare(Node &n) {
  auto holds = [](ArrayRef<Dim> x) -> std::optional<Dim> {
    auto difference = (x[0] - x[1]).constant();
    if (!difference)
      return std::nullopt;
    switch (predicate) {
    case ComparePredicate::eq:
      return Dim(*difference == 0);
    case ComparePredicate::lt:
      return Dim(*difference < 0);
    case ComparePredicate::le:
      return Dim(*difference <= 0);
    case ComparePredicate::gt:
      return Dim(*difference > 0);
    case ComparePredicate::ge:
      return Dim(*difference >= 0);
    case ComparePredicate::ne:
      return Dim(*difference != 0);
    }
  };
  return n.resultOr(
      foldTwo(n, holds), n.b.getI1Type(), [&]() -> FailureOr<mlir::Value> {
        auto x = broadcastTogether(n.b, n.loc, n.in(0), n.in(1));
        if (failed(x))
          return clash(n);
        return mlir::Value(
            CompareOp::create(n.b, n.loc, predicate, x->first, x->second));
      });
}

LogicalResult where(Node &n) {
  auto choose = [](ArrayRef<Dim> x) -> std::optional<Dim> {
    auto condition = x[0].constant();
    return condition ? std::optional<Dim>(*condition ? x[1] : x[2])
                     : std::nullopt;
  };
  return n.resultOr(
      fold({n.known(0), n.known(1), n.known(2)}, choose), n.type(1),
      [&]() -> FailureOr<mlir::Value> {
        FailureOr<Dims> dims = broadcastDims(n.dims(0), n.dims(1));
        if (succeeded(dims))
          dims = broadcastDims(*dims, n.dims(2));
        if (failed(dims))
          return n.fail("shapes " + str(n.dims(0)) + ", " + str(n.dims(1)) +
                        " and " + str(n.dims(2)) + " do not broadcast");
        auto fit = [&](size_t i) {
          return broadcastTo(n.b, n.loc, n.in(i), *dims);
        };
        return mlir::Value(
            SelectOp::create(n.b, n.loc, fit(0), fit(1), fit(2)));
      });
}

LogicalResult relu(Node &n) {
  mlir::Value x = n.in(0);
  return n.result(
      MaxOp::create(n.b, n.loc, x, splat(n.b, n.loc, 0, x.getType())),
      n.type(0));
}

LogicalResult castTo(Node &n) {
  int64_t to = n.attr("to", 0);
  n.ignore("saturate"); // decides on float8 alone
  Type type = typeOf(n.b.getContext(), int32_t(to));
  if (!type)
    return n.fail("casts to " + nameOf(int32_t(to)) + " are not supported");
  if (const Known *known = n.known(0); known && isa<IntegerType>(type) &&
                                       !type.isInteger(1) &&
                                       type.getIntOrFloatBitWidth() >= 32)
    return n.resultOr(*known, type, [&] {
      return FailureOr<mlir::Value>(
          convert(n.b, n.loc, n.in(0), n.type(0), type));
    });
  return n.result(convert(n.b, n.loc, n.in(0), n.type(0), type), type);
}

} // namespace

void addPointwiseOps(OpTable &table) {
  table["Abs"] = unary<AbsOp>;
  table["Add"] = arithmetic<AddOp, addDims>;
  table["Atan"] = unary<AtanOp>;
  table["Cast"] = castTo;
  table["Ceil"] = unary<CeilOp>;
  table["Cos"] = unary<CosOp>;
  table["Div"] = div;
  table["Equal"] = compare<ComparePredicate::eq>;
  table["Erf"] = unary<ErfOp>;
  table["Exp"] = unary<ExpOp>;
  table["Floor"] = unary<FloorOp>;
  table["Greater"] = compare<ComparePredicate::gt>;
  table["GreaterOrEqual"] = compare<ComparePredicate::ge>;
  table["Less"] = compare<ComparePredicate::lt>;
  table["LessOrEqual"] = compare<ComparePredicate::le>;
  table["Log"] = unary<LogOp>;
  table["Mul"] = arithmetic<MulOp, mulDims>;
  table["Neg"] = unary<NegOp>;
  table["Not"] = unary<NotOp>;
  table["Relu"] = relu;
  table["Round"] = unary<RoundOp>;
  table["Sigmoid"] = unary<SigmoidOp>;
  table["Sign"] = unary<SignOp>;
  table["Sin"] = unary<SinOp>;
  table["Sqrt"] = unary<SqrtOp>;
  table["Sub"] = arithmetic<SubOp, subDims>;
  table["Tan"] = unary<TanOp>;
  table["Tanh"] = unary<TanhOp>;
  table["Where"] = where;
}

} // namespace mapsto::onnx
