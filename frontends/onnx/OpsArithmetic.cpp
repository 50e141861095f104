//===- OpsArithmetic.cpp - Powers, remainders, extremes, shifts -----------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

using Compute = std::optional<Dim> (*)(ArrayRef<Dim>);

std::optional<Known> foldAll(Node &n, Compute compute) {
  SmallVector<const Known *> operands;
  for (size_t i = 0; i < n.numInputs(); ++i)
    operands.push_back(n.known(i));
  return fold(operands, compute);
}

/// Output 0 from two broadcast tensors of one type.
LogicalResult
giveOfTwo(Node &n, Compute compute,
          llvm::function_ref<Term(const Term &, const Term &)> formula) {
  if (failed(needOneType(n)))
    return failure();
  return n.resultOr(
      foldAll(n, compute), n.type(0), [&]() -> FailureOr<mlir::Value> {
        auto operands = broadcastInputs(n);
        if (failed(operands))
          return failure();
        return formula({n, (*operands)[0]}, {n, (*operands)[1]}).v;
      });
}

//===----------------------------------------------------------------------===//
// Powers and remainders
//===----------------------------------------------------------------------===//

/// The result is of the base's type, whatever the exponent's.
LogicalResult power(Node &n) {
  Type type = n.type(0);
  auto operands = broadcastInputs(n);
  if (failed(operands))
    return failure();
  bool whole = isa<IntegerType>(type) && isa<IntegerType>(n.type(1));
  // A whole number to a power with a fraction is cut off to a whole number.
  Type in = isa<FloatType>(type) ? widened(type)
            : whole              ? n.b.getI64Type()
                                 : Type(n.b.getF64Type());
  auto as = [&](size_t i) {
    return Term(n, convert(n.b, n.loc, (*operands)[i], n.type(i), in));
  };
  Term base = as(0), exponent = as(1);
  bool square = uniformValue(exponent.v) == 2;
  mlir::Value result = (square ? base * base : pow(base, exponent)).v;
  return n.result(convert(n.b, n.loc, result, in, type), type);
}

/// `fmod` 0: the sign is the divisor's; 1: the dividend's, as C's fmod.
LogicalResult mod(Node &n) {
  bool ofDividend = n.attr("fmod", 0) != 0;
  if (isa_and_nonnull<FloatType>(n.type(0)) && !ofDividend)
    return n.fail("of floats, it needs `fmod` = 1");
  auto fold = [](ArrayRef<Dim> x) -> std::optional<Dim> {
    auto a = x[0].constant(), b = x[1].constant();
    if ((a && *a < 0) || !b || *b <= 0) // both rules agree from 0 on
      return std::nullopt;
    return Dim::mod(x[0], x[1]);
  };
  return giveOfTwo(n, fold, [&](const Term &x, const Term &y) -> Term {
    Type type = n.type(0);
    if (type.isUnsignedInteger(64))
      return x - divideTowardsZero(x, y, type) * y;
    if (!ofDividend || type.isUnsignedInteger())
      return x % y;
    if (isa<FloatType>(type)) {
      Term magnitude = abs(x) % abs(y);
      return select(x < 0, -magnitude, magnitude);
    }
    Term rest = x % y;
    Term otherSign = apply<XorOp>(rest < 0, x < 0);
    return select((rest != 0) & otherSign, rest - y, rest);
  });
}

//===----------------------------------------------------------------------===//
// Of any number of tensors
//===----------------------------------------------------------------------===//

template <typename Op> FailureOr<mlir::Value> combineAll(Node &n) {
  auto operands = broadcastInputs(n);
  if (failed(operands))
    return failure();
  bool isSum = std::is_same_v<Op, AddOp>;
  auto term = [&](mlir::Value v) {
    return isSum ? Term(n, v) : ordered({n, v}, n.type(0));
  };
  Term all = term(operands->front());
  for (mlir::Value next : llvm::drop_begin(*operands))
    all = apply<Op>(all, term(next));
  return (isSum ? all : ordered(all, n.type(0))).v;
}

template <typename Op, Compute compute> LogicalResult variadic(Node &n) {
  if (failed(needOneType(n)))
    return failure();
  return n.resultOr(foldAll(n, compute), n.type(0),
                    [&] { return combineAll<Op>(n); });
}

std::optional<Dim> maxDims(ArrayRef<Dim> x) {
  Dim best = x[0];
  for (const Dim &next : x.drop_front())
    best = Dim::max(best, next);
  return best;
}
std::optional<Dim> minDims(ArrayRef<Dim> x) {
  Dim best = x[0];
  for (const Dim &next : x.drop_front())
    best = Dim::min(best, next);
  return best;
}
std::optional<Dim> sumDims(ArrayRef<Dim> x) {
  Dim sum;
  for (const Dim &next : x)
    sum += next;
  return sum;
}

LogicalResult mean(Node &n) {
  if (failed(needOneType(n)) || failed(needFloats(n, 0)))
    return failure();
  FailureOr<mlir::Value> sum = combineAll<AddOp>(n);
  if (failed(sum))
    return failure();
  return n.result((Term(n, *sum) / double(n.numInputs())).v, n.type(0));
}

/// The bounds are attributes until opset 10, inputs from 11 on. Where they
/// cross, the upper one wins.
LogicalResult clip(Node &n) {
  mlir::Value x = n.in(0);
  auto bound = [&](size_t i, StringRef name) -> FailureOr<mlir::Value> {
    if (n.opset() < 11) {
      if (!n.hasAttribute(name))
        return mlir::Value();
      return splat(n.b, n.loc, n.attrFloat(name, 0), x.getType());
    }
    if (!n.has(i))
      return mlir::Value();
    if (numElements(n.dims(i)) != Dim(1) || n.type(i) != n.type(0))
      return n.fail("its bound " + Twine(i - 1) + " is not one number of x's " +
                    "type");
    return broadcastTo(n.b, n.loc, reshape(n.b, n.loc, n.in(i), {}), dimsOf(x));
  };
  FailureOr<mlir::Value> low = bound(1, "min"), high = bound(2, "max");
  if (failed(low) || failed(high))
    return failure();
  std::optional<Known> folded;
  const Known *known = n.known(0);
  const Known *lowKnown = n.has(1) ? n.known(1) : nullptr;
  const Known *highKnown = n.has(2) ? n.known(2) : nullptr;
  if (known && bool(lowKnown) == n.has(1) && bool(highKnown) == n.has(2)) {
    folded = *known;
    auto limit = [&](const Known *bound, auto choose) {
      if (!bound)
        return;
      assume(*folded, *bound);
      for (Dim &element : folded->elements)
        element = choose(element, bound->elements[0]);
    };
    limit(lowKnown, Dim::max);
    limit(highKnown, Dim::min);
  }
  return n.resultOr(
      std::move(folded), n.type(0), [&]() -> FailureOr<mlir::Value> {
        auto term = [&](mlir::Value v) { return ordered({n, v}, n.type(0)); };
        Term result = term(x);
        if (*low)
          result = max(result, term(*low));
        if (*high)
          result = min(result, term(*high));
        return ordered(result, n.type(0)).v;
      });
}

//===----------------------------------------------------------------------===//
// Bits
//===----------------------------------------------------------------------===//

/// Of unsigned numbers: times or through a power of 2. A shift by the width or
/// more gives 0.
LogicalResult bitShift(Node &n) {
  std::string direction = n.attrString("direction");
  if (direction != "LEFT" && direction != "RIGHT")
    return n.fail("`direction` is " + Twine(direction) +
                  ", and must be LEFT or RIGHT");
  if (!n.type(0).isUnsignedInteger())
    return n.fail("it shifts unsigned numbers");
  unsigned bits = n.type(0).getIntOrFloatBitWidth();
  auto unfolded = [](ArrayRef<Dim>) { return std::optional<Dim>(); };
  return giveOfTwo(n, unfolded, [&](const Term &x, const Term &by) -> Term {
    if (direction == "LEFT")
      return select((by >= 0) & (by < double(bits)), x * pow(2, by), 0);
    if (bits < 64)
      return x / pow(2, min(by, double(bits)));
    Term rest = unsignedHalf(x) / pow(2, min(max(by - 1, 0), 62));
    Term inRange = (by >= 0) & (by < 64);
    return select(by == 0, x, select(inRange, rest, 0));
  });
}

template <typename Op> LogicalResult bitwise(Node &n) {
  if (!isa_and_nonnull<IntegerType>(n.type(0)))
    return n.fail("floats are no bits");
  auto unfolded = [](ArrayRef<Dim>) { return std::optional<Dim>(); };
  return giveOfTwo(n, unfolded, [](const Term &x, const Term &y) -> Term {
    return apply<Op>(x, y);
  });
}

LogicalResult bitwiseNot(Node &n) {
  if (!isa_and_nonnull<IntegerType>(n.type(0)))
    return n.fail("floats are no bits");
  return n.result((-1 - Term(n, n.in(0))).v, n.type(0));
}

} // namespace

void addArithmeticOps(OpTable &table) {
  table["BitShift"] = bitShift;
  table["BitwiseAnd"] = bitwise<AndOp>;
  table["BitwiseNot"] = bitwiseNot;
  table["BitwiseOr"] = bitwise<OrOp>;
  table["BitwiseXor"] = bitwise<XorOp>;
  table["Clip"] = clip;
  table["Max"] = variadic<MaxOp, maxDims>;
  table["Mean"] = mean;
  table["Min"] = variadic<MinOp, minDims>;
  table["Mod"] = mod;
  table["Pow"] = power;
  table["Sum"] = variadic<AddOp, sumDims>;
}

} // namespace mapsto::onnx
