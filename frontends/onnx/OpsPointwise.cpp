//===- OpsPointwise.cpp - Element by element ------------------------------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"
#include "frontends/onnx/SmallFloats.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// Of any number.
template <typename Op> LogicalResult unary(Node &n) {
  return n.result(apply<Op>(Term(n, n.in(0))).v, n.type(0));
}

/// Of floats.
template <typename Op> LogicalResult function(Node &n) {
  return failed(needFloats(n, 0)) ? failure() : unary<Op>(n);
}

/// Of any number, and of those that are known.
template <typename Op, std::optional<Dim> (*compute)(ArrayRef<Dim>)>
LogicalResult unary(Node &n) {
  return n.resultOr(fold({n.known(0)}, compute), n.type(0), [&] {
    return FailureOr<mlir::Value>(apply<Op>(Term(n, n.in(0))).v);
  });
}

/// Two tensors of one type, broadcast.
FailureOr<std::pair<Term, Term>> both(Node &n) {
  if (failed(needOneType(n)))
    return failure();
  auto operands = broadcastInputs(n);
  if (failed(operands))
    return failure();
  return std::pair(Term(n, (*operands)[0]), Term(n, (*operands)[1]));
}

template <typename Op> FailureOr<mlir::Value> binary(Node &n) {
  auto operands = both(n);
  if (failed(operands))
    return failure();
  return apply<Op>(operands->first, operands->second).v;
}

using Compute = std::optional<Dim> (*)(ArrayRef<Dim>);

std::optional<Known> foldTwo(Node &n, Compute compute) {
  if (hasOldBroadcast(n))
    return std::nullopt;
  return fold({n.known(0), n.known(1)}, compute);
}

std::optional<Dim> addDims(ArrayRef<Dim> x) { return x[0] + x[1]; }
std::optional<Dim> subDims(ArrayRef<Dim> x) { return x[0] - x[1]; }
std::optional<Dim> mulDims(ArrayRef<Dim> x) { return x[0] * x[1]; }

/// Whole numbers are divided towards zero. Sizes are never negative.
template <bool ofFloats> std::optional<Dim> divDims(ArrayRef<Dim> x) {
  auto a = x[0].constant(), b = x[1].constant();
  if (a && b && *b != 0 && (!ofFloats || *a % *b == 0))
    return Dim(*a / *b);
  if (a && b)
    return std::nullopt;
  if (auto exact = Dim::exactDiv(x[0], x[1]))
    return exact;
  if (ofFloats)
    return std::nullopt;
  return b && *b > 0 ? std::optional<Dim>(Dim::floorDiv(x[0], x[1]))
                     : std::nullopt;
}

template <typename Op, Compute compute> LogicalResult arithmetic(Node &n) {
  return n.resultOr(foldTwo(n, compute), n.type(0),
                    [&] { return binary<Op>(n); });
}

LogicalResult div(Node &n) {
  if (isa_and_nonnull<FloatType>(n.type(0)))
    return arithmetic<DivOp, divDims</*ofFloats=*/true>>(n);
  auto build = [&]() -> FailureOr<mlir::Value> {
    auto operands = both(n);
    if (failed(operands))
      return failure();
    auto [x, y] = *operands;
    return divideTowardsZero(x, y, n.type(0)).v;
  };
  return n.resultOr(foldTwo(n, divDims</*ofFloats=*/false>), n.type(0), build);
}

/// Rounding changes nothing where the numbers are whole.
std::optional<Dim> sameDims(ArrayRef<Dim> x) { return x[0]; }
std::optional<Dim> negDims(ArrayRef<Dim> x) { return Dim(0) - x[0]; }
std::optional<Dim> absDims(ArrayRef<Dim> x) {
  auto number = x[0].constant();
  return number ? std::optional<Dim>(Dim(*number < 0 ? -*number : *number))
                : std::nullopt;
}
std::optional<Dim> signDims(ArrayRef<Dim> x) {
  auto number = x[0].constant();
  return number ? std::optional<Dim>(Dim((*number > 0) - (*number < 0)))
                : std::nullopt;
}

template <typename Op> LogicalResult rounding(Node &n) {
  return failed(needFloats(n, 0)) ? failure() : unary<Op, sameDims>(n);
}

//===----------------------------------------------------------------------===//
// Truth
//===----------------------------------------------------------------------===//

std::optional<Dim> notDims(ArrayRef<Dim> x) {
  auto truth = x[0].constant();
  return truth ? std::optional<Dim>(Dim(*truth == 0)) : std::nullopt;
}
std::optional<Dim> andDims(ArrayRef<Dim> x) {
  auto a = x[0].constant(), b = x[1].constant();
  return a && b ? std::optional<Dim>(Dim(*a && *b)) : std::nullopt;
}
std::optional<Dim> orDims(ArrayRef<Dim> x) {
  auto a = x[0].constant(), b = x[1].constant();
  return a && b ? std::optional<Dim>(Dim(*a || *b)) : std::nullopt;
}
std::optional<Dim> xorDims(ArrayRef<Dim> x) {
  auto a = x[0].constant(), b = x[1].constant();
  return a && b ? std::optional<Dim>(Dim(!*a != !*b)) : std::nullopt;
}

template <typename Op, Compute compute> LogicalResult logical(Node &n) {
  for (size_t i = 0; i < n.numInputs(); ++i)
    if (!n.type(i) || !n.type(i).isInteger(1))
      return n.fail("it is of booleans, and input " + Twine(i) + " is not");
  if constexpr (std::is_same_v<Op, NotOp>)
    return unary<Op, compute>(n);
  else
    return arithmetic<Op, compute>(n);
}

template <ComparePredicate predicate> LogicalResult comparison(Node &n) {
  auto holds = [](ArrayRef<Dim> x) -> std::optional<Dim> {
    Dim apart = x[0] - x[1];
    std::optional<int64_t> difference = apart.constant();
    if (isPositive(apart))
      difference = 1;
    else if (isPositive(Dim(0) - apart))
      difference = -1;
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
        auto operands = both(n);
        if (failed(operands))
          return failure();
        return compare(predicate, ordered(operands->first, n.type(0)),
                       ordered(operands->second, n.type(0)))
            .v;
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
        if (n.type(1) != n.type(2) || !n.type(0).isInteger(1))
          return n.fail("it chooses by booleans between two of one type");
        auto operands = broadcastInputs(n);
        if (failed(operands))
          return failure();
        ArrayRef<mlir::Value> v = *operands;
        return mlir::Value(SelectOp::create(n.b, n.loc, v[0], v[1], v[2]));
      });
}

/// The known numbers under another type that holds them all.
std::optional<Known> keptBy(Type type, const Known *known) {
  if (!known)
    return std::nullopt;
  if (isa<FloatType>(type)) // sizes are far below where f32 skips numbers
    return type.isF32() || type.isF64() ? std::optional(*known) : std::nullopt;
  unsigned bits = type.getIntOrFloatBitWidth();
  Known kept = *known;
  for (Dim &element : kept.elements) {
    std::optional<int64_t> number = element.constant();
    if (number && type.isInteger(1))
      element = Dim(*number != 0);
    else if (bits < 32 && !number)
      return std::nullopt;
    else if (number && (type.isUnsignedInteger()
                            ? *number < 0 || (bits < 64 && *number >> bits)
                            : !llvm::isIntN(bits, *number)))
      return std::nullopt;
  }
  return kept;
}

LogicalResult castInto(Node &n, Type type) {
  SmallRounding rounding;
  rounding.saturate = n.attr("saturate", 1) != 0;
  std::string mode = n.attrString("round_mode", "up");
  rounding.powers = mode == "up"     ? SmallRounding::Powers::up
                    : mode == "down" ? SmallRounding::Powers::down
                                     : SmallRounding::Powers::nearest;
  if (mode != "up" && mode != "down" && mode != "nearest")
    return n.fail("`round_mode` is " + Twine(mode) +
                  ", and must be up, down or nearest");
  if (isSmallFloat(type) && type != n.type(0))
    return n.result(roundSmall(n.b, n.loc, n.in(0), type, rounding), type);
  return n.resultOr(keptBy(type, n.known(0)), type, [&] {
    return FailureOr<mlir::Value>(
        convert(n.b, n.loc, n.in(0), n.type(0), type));
  });
}

LogicalResult castTo(Node &n) {
  int64_t to = n.attr("to", 0);
  Type type = typeOf(n.b.getContext(), int32_t(to));
  if (!type)
    return n.fail("casts to " + nameOf(int32_t(to)) + " are not supported");
  return castInto(n, type);
}

LogicalResult castLike(Node &n) { return castInto(n, n.type(1)); }

} // namespace

void addPointwiseOps(OpTable &table) {
  table["Abs"] = unary<AbsOp, absDims>;
  table["Add"] = arithmetic<AddOp, addDims>;
  table["And"] = logical<AndOp, andDims>;
  table["Atan"] = function<AtanOp>;
  table["Cast"] = castTo;
  table["CastLike"] = castLike;
  table["Ceil"] = rounding<CeilOp>;
  table["Cos"] = function<CosOp>;
  table["Div"] = div;
  table["Equal"] = comparison<ComparePredicate::eq>;
  table["Erf"] = function<ErfOp>;
  table["Exp"] = function<ExpOp>;
  table["Floor"] = rounding<FloorOp>;
  table["Greater"] = comparison<ComparePredicate::gt>;
  table["GreaterOrEqual"] = comparison<ComparePredicate::ge>;
  table["Less"] = comparison<ComparePredicate::lt>;
  table["LessOrEqual"] = comparison<ComparePredicate::le>;
  table["Log"] = function<LogOp>;
  table["Mul"] = arithmetic<MulOp, mulDims>;
  table["Neg"] = unary<NegOp, negDims>;
  table["Not"] = logical<NotOp, notDims>;
  table["Or"] = logical<OrOp, orDims>;
  table["Round"] = rounding<RoundOp>;
  table["Sigmoid"] = function<SigmoidOp>;
  table["Sign"] = unary<SignOp, signDims>;
  table["Sin"] = function<SinOp>;
  table["Sqrt"] = function<SqrtOp>;
  table["Sub"] = arithmetic<SubOp, subDims>;
  table["Tan"] = function<TanOp>;
  table["Tanh"] = function<TanhOp>;
  table["Where"] = where;
  table["Xor"] = logical<XorOp, xorDims>;
}

} // namespace mapsto::onnx
