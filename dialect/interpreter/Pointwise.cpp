//===- Pointwise.cpp - Rules: element by element --------------------------===//
//
// A table of functions on one element: on doubles, and where whole numbers
// behave otherwise, on int64.
//
//===----------------------------------------------------------------------===//

#include "dialect/interpreter/Rules.h"

#include <cmath>

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Functions of one element
//===----------------------------------------------------------------------===//

using FloatUnary = double (*)(double);
using IntegerUnary = int64_t (*)(int64_t);
using FloatBinary = double (*)(double, double);
using IntegerBinary = int64_t (*)(int64_t, int64_t);

// Whole numbers wrap: computed unsigned, where that is defined.
static int64_t wrap(uint64_t value) { return static_cast<int64_t>(value); }

static double signOf(double x) { return std::isnan(x) ? x : (x > 0) - (x < 0); }

static double sigmoid(double x) {
  // Of the two forms that are equal the one whose exponential cannot overflow.
  if (x >= 0)
    return 1 / (1 + std::exp(-x));
  double e = std::exp(x);
  return e / (1 + e);
}

static double minimum(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
}
static double maximum(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
}

static double floorMod(double a, double b) {
  double remainder = std::fmod(a, b);
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b
                                                      : remainder;
}

// The rules refuse b == 0 before these are called.
static int64_t floorDivide(int64_t a, int64_t b) {
  if (b == -1)
    return wrap(0 - static_cast<uint64_t>(a));
  int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}
static int64_t floorModulo(int64_t a, int64_t b) {
  if (b == -1)
    return 0;
  int64_t remainder = a % b;
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b
                                                      : remainder;
}

// By squaring; a negative power of a whole number is truncated to a whole one.
static int64_t integerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1)
      return 1;
    if (base == -1)
      return exponent % 2 == 0 ? 1 : -1;
    return 0;
  }
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (; exponent; exponent >>= 1) {
    if (exponent & 1)
      result *= square;
    square *= square;
  }
  return wrap(result);
}

static bool holds(ComparePredicate predicate, auto a, auto b) {
  switch (predicate) {
  case ComparePredicate::eq:
    return a == b;
  case ComparePredicate::ne:
    return a != b;
  case ComparePredicate::lt:
    return a < b;
  case ComparePredicate::le:
    return a <= b;
  case ComparePredicate::gt:
    return a > b;
  case ComparePredicate::ge:
    return a >= b;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

template <typename Op>
static void addUnary(RuleTable &rules, FloatUnary onFloats,
                     IntegerUnary onIntegers = nullptr) {
  rules[TypeID::get<Op>()] = [=](Call &call) {
    const Tensor &x = call.in(0);
    Tensor &result = call.out();
    for (size_t at = 0; at != x.f.size(); ++at)
      result.f[at] = onFloats(x.f[at]);
    for (size_t at = 0; at != x.i.size(); ++at)
      result.i[at] = onIntegers(x.i[at]);
    return success();
  };
}

template <typename Op>
static void addBinary(RuleTable &rules, FloatBinary onFloats,
                      IntegerBinary onIntegers) {
  rules[TypeID::get<Op>()] = [=](Call &call) {
    const Tensor &a = call.in(0), &b = call.in(1);
    Tensor &result = call.out();
    for (size_t at = 0; at != a.f.size(); ++at)
      result.f[at] = onFloats(a.f[at], b.f[at]);
    for (size_t at = 0; at != a.i.size(); ++at)
      result.i[at] = onIntegers(a.i[at], b.i[at]);
    return success();
  };
}

// Whole numbers cannot be divided by zero.
template <typename Op>
static void addDivision(RuleTable &rules, FloatBinary onFloats,
                        IntegerBinary onIntegers) {
  addBinary<Op>(rules, onFloats, onIntegers);
  Rule divide = rules[TypeID::get<Op>()];
  rules[TypeID::get<Op>()] = [=](Call &call) -> LogicalResult {
    if (llvm::is_contained(call.in(1).i, 0))
      return call.fail("a whole number is divided by zero");
    return divide(call);
  };
}

static LogicalResult isNan(IsNanOp, Call &call) {
  const Tensor &x = call.in(0);
  for (size_t at = 0; at != x.f.size(); ++at)
    call.out().i[at] = std::isnan(x.f[at]);
  return success();
}

static LogicalResult compare(CompareOp op, Call &call) {
  const Tensor &a = call.in(0), &b = call.in(1);
  for (size_t at = 0; at != a.f.size(); ++at)
    call.out().i[at] = holds(op.getPredicate(), a.f[at], b.f[at]);
  for (size_t at = 0; at != a.i.size(); ++at)
    call.out().i[at] = holds(op.getPredicate(), a.i[at], b.i[at]);
  return success();
}

static LogicalResult select(SelectOp, Call &call) {
  const Tensor &condition = call.in(0), &x = call.in(1), &y = call.in(2);
  Tensor &result = call.out();
  for (size_t at = 0; at != x.f.size(); ++at)
    result.f[at] = condition.i[at] ? x.f[at] : y.f[at];
  for (size_t at = 0; at != x.i.size(); ++at)
    result.i[at] = condition.i[at] ? x.i[at] : y.i[at];
  return success();
}

static LogicalResult cast(CastOp, Call &call) {
  call.out() = castTo(call.out().elementType, call.in(0));
  return success();
}

void addPointwiseRules(RuleTable &rules) {
  using D = double;
  using I = int64_t;
  using U = uint64_t;
  addUnary<NegOp>(
      rules, [](D x) { return -x; }, [](I x) { return wrap(0 - U(x)); });
  addUnary<AbsOp>(
      rules, [](D x) { return std::fabs(x); },
      [](I x) { return x < 0 ? wrap(0 - U(x)) : x; });
  addUnary<SignOp>(rules, signOf, [](I x) { return I((x > 0) - (x < 0)); });
  addUnary<NotOp>(rules, nullptr, [](I x) { return I(!x); });
  addUnary<ExpOp>(rules, [](D x) { return std::exp(x); });
  addUnary<Expm1Op>(rules, [](D x) { return std::expm1(x); });
  addUnary<LogOp>(rules, [](D x) { return std::log(x); });
  addUnary<Log1pOp>(rules, [](D x) { return std::log1p(x); });
  addUnary<SqrtOp>(rules, [](D x) { return std::sqrt(x); });
  addUnary<RsqrtOp>(rules, [](D x) { return 1 / std::sqrt(x); });
  addUnary<TanhOp>(rules, [](D x) { return std::tanh(x); });
  addUnary<SigmoidOp>(rules, sigmoid);
  addUnary<ErfOp>(rules, [](D x) { return std::erf(x); });
  addUnary<SinOp>(rules, [](D x) { return std::sin(x); });
  addUnary<CosOp>(rules, [](D x) { return std::cos(x); });
  addUnary<TanOp>(rules, [](D x) { return std::tan(x); });
  addUnary<AtanOp>(rules, [](D x) { return std::atan(x); });
  addUnary<FloorOp>(rules, [](D x) { return std::floor(x); });
  addUnary<CeilOp>(rules, [](D x) { return std::ceil(x); });
  addUnary<RoundOp>(rules, [](D x) { return std::nearbyint(x); });

  addBinary<AddOp>(
      rules, [](D a, D b) { return a + b; },
      [](I a, I b) { return wrap(U(a) + U(b)); });
  addBinary<SubOp>(
      rules, [](D a, D b) { return a - b; },
      [](I a, I b) { return wrap(U(a) - U(b)); });
  addBinary<MulOp>(
      rules, [](D a, D b) { return a * b; },
      [](I a, I b) { return wrap(U(a) * U(b)); });
  addBinary<PowOp>(
      rules, [](D a, D b) { return std::pow(a, b); }, integerPower);
  addBinary<MinOp>(rules, minimum, [](I a, I b) { return std::min(a, b); });
  addBinary<MaxOp>(rules, maximum, [](I a, I b) { return std::max(a, b); });
  addBinary<AndOp>(rules, nullptr, [](I a, I b) { return a & b; });
  addBinary<OrOp>(rules, nullptr, [](I a, I b) { return a | b; });
  addBinary<XorOp>(rules, nullptr, [](I a, I b) { return a ^ b; });
  addDivision<DivOp>(rules, [](D a, D b) { return a / b; }, floorDivide);
  addDivision<ModOp>(rules, floorMod, floorModulo);

  addRule<IsNanOp>(rules, isNan);
  addRule<CompareOp>(rules, compare);
  addRule<SelectOp>(rules, select);
  addRule<CastOp>(rules, cast);
}

} // namespace mapsto
