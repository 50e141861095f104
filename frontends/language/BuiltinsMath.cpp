//===- BuiltinsMath.cpp - Element by element ------------------------------===//

#include "frontends/language/Builtins.h"

#include <cmath>

using namespace mapsto;

/// Unary functions of floats: numbers known while compiling stay numbers.
template <typename Op, double (*onNumber)(double)>
static Object unaryFloat(BuiltinCall &c) {
  if (auto number = c[0].real(); number && onNumber)
    return onNumber(*number);
  mlir::Value x = c.floats(0);
  if (!x)
    return {};
  return mlir::Value(Op::create(c.t.builder, c.t.loc, x));
}

/// Unary functions that keep the type, whole numbers included.
template <typename Op, double (*onNumber)(double)>
static Object unaryAny(BuiltinCall &c) {
  if (auto integer = c[0].integer())
    return Dim(int64_t(onNumber(double(*integer))));
  if (c[0].is<double>())
    return onNumber(c[0].get<double>());
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  if (isBool(elementTypeOf(x)))
    x = c.t.cast(x, c.t.i64());
  return mlir::Value(Op::create(c.t.builder, c.t.loc, x));
}

/// Rounding: whole numbers are themselves; static results are whole.
template <typename Op, double (*onNumber)(double)>
static Object rounding(BuiltinCall &c) {
  if (c[0].is<Dim>())
    return c[0];
  if (c[0].is<double>())
    return Dim(int64_t(onNumber(c[0].get<double>())));
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  if (!isFloat(elementTypeOf(x)))
    return x;
  return mlir::Value(Op::create(c.t.builder, c.t.loc, x));
}

/// Two operands that broadcast; `onSizes` decides static sizes.
template <typename Op, Dim (*onSizes)(const Dim &, const Dim &),
          double (*onNumbers)(double, double)>
static Object binaryAny(BuiltinCall &c) {
  if (c[0].is<Dim>() && c[1].is<Dim>() && onSizes) {
    auto divisor = c[1].get<Dim>().constant();
    if ((std::is_same_v<Op, DivOp> || std::is_same_v<Op, ModOp>) && divisor &&
        !*divisor)
      return c.fail("division by zero");
    return onSizes(c[0].get<Dim>(), c[1].get<Dim>());
  }
  if (auto a = c[0].real(), b = c[1].real(); a && b && onNumbers)
    return onNumbers(*a, *b);
  mlir::Value x, y;
  if (!c.e.toOperands(c[0], c[1], x, y, c.span,
                      std::string("`") + c.builtin.name + "`")) {
    c.failed = true;
    return {};
  }
  for (mlir::Value *v : {&x, &y})
    if (isBool(elementTypeOf(*v)))
      *v = c.t.cast(*v, c.t.i64());
  return c.t.template binary<Op>(x, y);
}

static double maximum(double a, double b) {
  return std::isnan(a) || a > b ? a : b;
}
static double minimum(double a, double b) {
  return std::isnan(a) || a < b ? a : b;
}
static double floorDivide(double a, double b) { return std::floor(a / b); }
static double signOf(double a) { return (a > 0) - (a < 0); }
static double nearest(double a) { return std::nearbyint(a); }
static double reciprocalRoot(double a) { return 1 / std::sqrt(a); }
static double logistic(double a) { return 1 / (1 + std::exp(-a)); }
static double remainder_(double a, double b) {
  return a - b * std::floor(a / b);
}

static Object ceilDiv(BuiltinCall &c) {
  Dim a = c.size(0), b = c.size(1);
  if (c.failed)
    return {};
  if (b == Dim(0))
    return c.fail("division by zero");
  return Dim::ceilDiv(a, b);
}

/// -floor(-(a / b)) of floats has to round what was divided.
static Object floorDiv(BuiltinCall &c) {
  Object result = binaryAny<DivOp, Dim::floorDiv, floorDivide>(c);
  if (!result.isTensor() || !isFloat(elementTypeOf(result.tensor())))
    return result;
  return mlir::Value(FloorOp::create(c.t.builder, c.t.loc, result.tensor()));
}

static Object power(BuiltinCall &c) {
  return c.e.binary(ast::BinaryOp::Power, c[0], c[1], c.span);
}

static Object where(BuiltinCall &c) {
  mlir::Value condition = c.tensor(0);
  if (!condition)
    return {};
  if (!isBool(elementTypeOf(condition)))
    return c.fail("`where` chooses by truth values, and its condition is " +
                      c.e.describe(Object(condition)),
                  "compare first: `x > 0`");
  mlir::Value x, y;
  if (!c.e.toOperands(c[1], c[2], x, y, c.span, "`where`")) {
    c.failed = true;
    return {};
  }
  std::pair<Dim, Dim> clash;
  auto choice = *broadcastShapes(dimsOf(x), dimsOf(y));
  if (!broadcastShapes(dimsOf(condition), choice, &clash))
    return c.fail("`where` of a condition " + c.e.describe(Object(condition)) +
                  " and values of " + mapsto::str(choice) + ": the sizes " +
                  clash.first.str() + " and " + clash.second.str() +
                  " do not broadcast");
  return c.t.select(condition, x, y);
}

static Object clamp(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  auto bound = [&](unsigned i, mlir::Value &value) {
    if (!c.given(i))
      return true;
    value = c.tensor(i, elementTypeOf(x));
    if (!value)
      return false;
    if (broadcastShapes(dimsOf(x), dimsOf(value)))
      return true;
    c.fail("`clamp` of " + c.e.describe(Object(x)) + " by " +
           c.e.describe(Object(value)));
    return false;
  };
  mlir::Value low, high;
  if (!bound(1, low) || !bound(2, high))
    return {};
  if (low)
    x = c.t.binary<MaxOp>(x, low);
  if (high)
    x = c.t.binary<MinOp>(x, high);
  return x;
}

static Object isNan(BuiltinCall &c) {
  mlir::Value x = c.floats(0);
  return x ? Object(mlir::Value(IsNanOp::create(c.t.builder, c.t.loc, x)))
           : Object();
}

static Object cast(BuiltinCall &c) {
  mlir::Type type = c.type(1);
  mlir::Value x = c.failed ? mlir::Value() : c.tensor(0, type);
  return x ? Object(c.t.cast(x, type)) : Object();
}

static Object xorOf(BuiltinCall &c) {
  mlir::Value x, y;
  if (!c.e.toOperands(c[0], c[1], x, y, c.span, "`xor`"))
    return {};
  if (!isBool(elementTypeOf(x)) || !isBool(elementTypeOf(y)))
    return c.fail("`xor` takes truth values");
  return c.t.binary<XorOp>(x, y);
}

static Object stringOf(BuiltinCall &c) {
  if (c[0].is<std::string>())
    return c[0];
  if (c[0].is<Dim>())
    return c[0].get<Dim>().str();
  if (c[0].is<bool>())
    return std::string(c[0].get<bool>() ? "true" : "false");
  return c.fail("`str` writes a number known while compiling, and this is " +
                c.e.describe(c[0]));
}

static Object require(BuiltinCall &c) {
  bool holds = c.flag(0);
  std::string message = c.text(1);
  if (!c.failed && !holds)
    return c.fail(message);
  return NoneValue();
}

#define SAME "[..] -> [..]"
llvm::ArrayRef<Builtin> mapsto::mathBuiltins() {
  static const Builtin table[] = {
      {"exp", "x", SAME, "e to the power x.",
       "exp([0.0, 1.0]) == [1.0, 2.718281828]", unaryFloat<ExpOp, std::exp>},
      {"expm1", "x", SAME, "exp(x) - 1, exact near 0.", "expm1([0.0]) == [0.0]",
       unaryFloat<Expm1Op, std::expm1>},
      {"log", "x", SAME, "Natural logarithm.",
       "log([1.0, 2.718281828]) == [0.0, 1.0]", unaryFloat<LogOp, std::log>},
      {"log1p", "x", SAME, "log(1 + x), exact near 0.", "log1p([0.0]) == [0.0]",
       unaryFloat<Log1pOp, std::log1p>},
      {"sqrt", "x", SAME, "Square root.", "sqrt([4.0, 9.0]) == [2.0, 3.0]",
       unaryFloat<SqrtOp, std::sqrt>},
      {"rsqrt", "x", SAME, "1 / sqrt(x).", "rsqrt([4.0]) == [0.5]",
       unaryFloat<RsqrtOp, reciprocalRoot>},
      {"tanh", "x", SAME, "Hyperbolic tangent.", "tanh([0.0]) == [0.0]",
       unaryFloat<TanhOp, std::tanh>},
      {"sigmoid", "x", SAME, "1 / (1 + exp(-x)).", "sigmoid([0.0]) == [0.5]",
       unaryFloat<SigmoidOp, logistic>},
      {"erf", "x", SAME, "Error function.", "erf([0.0]) == [0.0]",
       unaryFloat<ErfOp, std::erf>},
      {"sin", "x", SAME, "Sine of radians.", "sin([0.0]) == [0.0]",
       unaryFloat<SinOp, std::sin>},
      {"cos", "x", SAME, "Cosine of radians.", "cos([0.0]) == [1.0]",
       unaryFloat<CosOp, std::cos>},
      {"tan", "x", SAME, "Tangent of radians.", "tan([0.0]) == [0.0]",
       unaryFloat<TanOp, std::tan>},
      {"atan", "x", SAME, "Arc tangent, in radians.", "atan([0.0]) == [0.0]",
       unaryFloat<AtanOp, std::atan>},
      {"abs", "x", SAME, "Distance from 0.", "abs([-2, 3]) == [2, 3]",
       unaryAny<AbsOp, std::fabs>},
      {"sign", "x", SAME, "-1, 0 or 1.",
       "sign([-2.5, 0.0, 7.0]) == [-1.0, 0.0, 1.0]", unaryAny<SignOp, signOf>},
      {"floor", "x", SAME, "The largest whole number not above x.",
       "floor([1.5, -1.5]) == [1.0, -2.0]", rounding<FloorOp, std::floor>},
      {"ceil", "x", SAME, "The smallest whole number not below x.",
       "ceil([1.5, -1.5]) == [2.0, -1.0]", rounding<CeilOp, std::ceil>},
      {"round", "x", SAME, "The nearest whole number, halves to even.",
       "round([0.5, 1.5]) == [0.0, 2.0]", rounding<RoundOp, nearest>},
      {"isnan", "x", "[..] -> bool[..]", "True where x is not a number.",
       "isnan([1.0]) == [false]", isNan},
      {"pow", "x, y", "[..], [..] -> [..]",
       "x to the power y, also written `x ** y`.",
       "pow([2.0, 3.0], 2) == [4.0, 9.0]", power},
      {"minimum", "x, y", "[..], [..] -> [..]",
       "The smaller of two, element by element.",
       "minimum([1, 5], 3) == [1, 3]", binaryAny<MinOp, Dim::min, minimum>},
      {"maximum", "x, y", "[..], [..] -> [..]",
       "The larger of two, element by element.", "maximum([1, 5], 3) == [3, 5]",
       binaryAny<MaxOp, Dim::max, maximum>},
      {"floordiv", "x, y", "[..], [..] -> [..]",
       "x / y rounded down; of sizes too.", "floordiv([7, -7], 2) == [3, -4]",
       floorDiv},
      {"ceildiv", "x, y", "sizes", "x / y rounded up, of sizes.",
       "ceildiv(7, 2) == 4", ceilDiv},
      {"mod", "x, y", "[..], [..] -> [..]",
       "The remainder, with y's sign; also written `x % y`.",
       "mod([7, -7], 3) == [1, 2]", binaryAny<ModOp, Dim::mod, remainder_>},
      {"clamp", "x, low = None, high = None", "[..] -> [..]",
       "x held between two bounds.",
       "clamp([-1.0, 0.5, 9.0], 0, 1) == [0.0, 0.5, 1.0]", clamp},
      {"where", "condition, x, y", "bool[..], [..], [..] -> [..]",
       "x where the condition holds, y elsewhere.",
       "where([true, false], [1, 2], 9) == [1, 9]", where},
      {"xor", "x, y", "bool[..], bool[..] -> bool[..]", "Exactly one of two.",
       "xor([true, true], [true, false]) == [false, true]", xorOf},
      {"cast", "x, dtype", "[..] -> dtype[..]",
       "The same values in another type; floats go to whole numbers towards 0. "
       "Also written `i64(x)`.",
       "cast([1.7, -1.7], i64) == [1, -1]", cast},
      {"str", "x", "static", "A number as text, for names of parameters.",
       "len([str(3)]) == 1", stringOf},
      {"require", "condition, message", "static",
       "Stops the compilation with a message unless the condition holds.", "",
       require},
  };
  return table;
}
#undef SAME
