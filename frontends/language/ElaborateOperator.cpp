//===- ElaborateOperator.cpp - + - * / and their kin ----------------------===//

#include "frontends/language/Elaborator.h"

#include <cmath>

using namespace mapsto;
using ast::BinaryOp;

static bool isComparison(BinaryOp op) {
  return op >= BinaryOp::Equal && op <= BinaryOp::GreaterEqual;
}

static ComparePredicate predicate(BinaryOp op) {
  switch (op) {
  case BinaryOp::Equal:
    return ComparePredicate::eq;
  case BinaryOp::NotEqual:
    return ComparePredicate::ne;
  case BinaryOp::Less:
    return ComparePredicate::lt;
  case BinaryOp::LessEqual:
    return ComparePredicate::le;
  case BinaryOp::Greater:
    return ComparePredicate::gt;
  default:
    return ComparePredicate::ge;
  }
}

template <typename T> static bool compareStatic(BinaryOp op, T a, T b) {
  switch (predicate(op)) {
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

Object Elaborator::unary(ast::UnaryOp op, const Object &x, Span span) {
  if (x.isPoison())
    return {};
  if (op == ast::UnaryOp::Negate) {
    if (x.is<Dim>())
      return Dim(0) - x.get<Dim>();
    if (x.is<double>())
      return -x.get<double>();
    mlir::Value value = toTensor(x, span);
    if (!value)
      return {};
    if (isBool(elementTypeOf(value)))
      return fail(span,
                  "`-` takes numbers, and this is " + describe(Object(value)),
                  "`not x` negates truth");
    return mlir::Value(NegOp::create(t.builder, t.loc, value));
  }
  if (x.is<bool>())
    return !x.get<bool>();
  if (!x.isTensorLike() && !x.is<std::shared_ptr<List>>())
    return fail(span, "`not` takes true or false, and this is " + describe(x));
  mlir::Value value = toTensor(x, span);
  if (!value)
    return {};
  if (!isBool(elementTypeOf(value)))
    return fail(span,
                "`not` takes truth values, and this is " +
                    describe(Object(value)),
                "compare first: `x == 0`");
  return mlir::Value(NotOp::create(t.builder, t.loc, value));
}

/// Static integers and symbolic sizes; nothing where only a number that is
/// known when the model runs can tell.
static std::optional<Object> onSizes(BinaryOp op, const Dim &a, const Dim &b) {
  auto x = a.constant(), y = b.constant();
  switch (op) {
  case BinaryOp::Add:
    return Object(a + b);
  case BinaryOp::Subtract:
    return Object(a - b);
  case BinaryOp::Multiply:
    return Object(a * b);
  case BinaryOp::Divide:
    if (y && *y == 0)
      return std::nullopt;
    if (auto quotient = Dim::exactDiv(a, b))
      return Object(*quotient);
    if (x && y)
      return Object(double(*x) / double(*y));
    return std::nullopt;
  case BinaryOp::Modulo:
    if (y && *y == 0)
      return std::nullopt;
    return Object(Dim::mod(a, b));
  case BinaryOp::Power:
    if (x && y && *y >= 0 && *y < 63) {
      int64_t result = 1;
      for (int64_t i = 0; i < *y; ++i)
        if (__builtin_mul_overflow(result, *x, &result))
          return Object(std::pow(double(*x), double(*y)));
      return Object(Dim(result));
    }
    if (x && y)
      return Object(std::pow(double(*x), double(*y)));
    if (y && *y >= 0 && *y < 8) {
      Dim result(1);
      for (int64_t i = 0; i < *y; ++i)
        result *= a;
      return Object(result);
    }
    return std::nullopt;
  case BinaryOp::Equal:
    if (a == b || (x && y))
      return Object(a == b);
    return std::nullopt;
  case BinaryOp::NotEqual:
    if (a == b || (x && y))
      return Object(a != b);
    return std::nullopt;
  default:
    if (isComparison(op)) {
      auto difference = (a - b).constant();
      if (difference)
        return Object(compareStatic<int64_t>(op, *difference, 0));
    }
    return std::nullopt;
  }
}

static std::optional<Object> onNumbers(BinaryOp op, double a, double b) {
  switch (op) {
  case BinaryOp::Add:
    return Object(a + b);
  case BinaryOp::Subtract:
    return Object(a - b);
  case BinaryOp::Multiply:
    return Object(a * b);
  case BinaryOp::Divide:
    return Object(a / b);
  case BinaryOp::Modulo:
    return Object(a - b * std::floor(a / b));
  case BinaryOp::Power:
    return Object(std::pow(a, b));
  default:
    if (isComparison(op))
      return Object(compareStatic(op, a, b));
    return std::nullopt;
  }
}

bool Elaborator::toOperands(const Object &a, const Object &b, mlir::Value &x,
                            mlir::Value &y, Span span, llvm::StringRef what) {
  auto typeOf = [&](const Object &o) -> mlir::Type {
    if (o.isTensor())
      return elementTypeOf(o.tensor());
    if (o.is<std::shared_ptr<Param>>())
      return o.get<std::shared_ptr<Param>>()->type.getElementType();
    return {};
  };
  // A state's type is known once it is read.
  Object left = a.is<std::shared_ptr<State>>() ? Object(toTensor(a, span)) : a;
  Object right = b.is<std::shared_ptr<State>>() ? Object(toTensor(b, span)) : b;
  if ((left.isTensor() && !left.tensor()) ||
      (right.isTensor() && !right.tensor()))
    return false;
  x = toTensor(left, span, typeOf(right));
  y = toTensor(right, span, typeOf(left));
  if (!x || !y)
    return false;
  std::pair<Dim, Dim> clash;
  if (broadcastShapes(dimsOf(x), dimsOf(y), &clash))
    return true;
  error(span, what.str() + " of " + describe(Object(x)) + " and " +
                  describe(Object(y)) + ": the sizes " + clash.first.str() +
                  " and " + clash.second.str() + " do not broadcast")
      .hint(clash.first.isConstant() && clash.second.isConstant()
                ? "axes are matched from the right; each pair must be equal, "
                  "or one of them 1"
                : "sizes named differently may differ when the model runs; use "
                  "one name where they are the same");
  return false;
}

Object Elaborator::binary(BinaryOp op, const Object &a, const Object &b,
                          Span span) {
  if (a.isPoison() || b.isPoison())
    return {};
  if (op == BinaryOp::MatMul)
    return matmul(a, b, span);
  std::string sign = "`" + std::string(ast::spelling(op)) + "`";

  if (a.is<Dim>() && b.is<Dim>()) {
    // Products of long polynomials grow without bound.
    constexpr size_t kMostTerms = 64;
    if (a.get<Dim>().getTerms().size() > kMostTerms ||
        b.get<Dim>().getTerms().size() > kMostTerms)
      return fail(span, "this size is a sum of too many terms");
    if (auto result = onSizes(op, a.get<Dim>(), b.get<Dim>()))
      return *result;
    auto divisor = b.get<Dim>().constant();
    if ((op == BinaryOp::Divide || op == BinaryOp::Modulo) && divisor &&
        *divisor == 0)
      return fail(span, "division by zero");
  } else if (a.isNumber() && b.isNumber()) {
    auto x = a.real(), y = b.real();
    if (x && y)
      if (auto result = onNumbers(op, *x, *y))
        return *result;
  }
  if (a.is<bool>() && b.is<bool>()) {
    bool x = a.get<bool>(), y = b.get<bool>();
    if (op == BinaryOp::And)
      return x && y;
    if (op == BinaryOp::Or)
      return x || y;
    if (op == BinaryOp::Equal)
      return x == y;
    if (op == BinaryOp::NotEqual)
      return x != y;
  }
  if (a.is<std::string>() && b.is<std::string>()) {
    constexpr size_t kLongestText = 10000;
    if (op == BinaryOp::Add &&
        a.get<std::string>().size() + b.get<std::string>().size() >
            kLongestText)
      return fail(span, "a text of more than " + std::to_string(kLongestText) +
                            " characters");
    if (op == BinaryOp::Add)
      return a.get<std::string>() + b.get<std::string>();
    if (isComparison(op))
      return compareStatic<std::string>(op, a.get<std::string>(),
                                        b.get<std::string>());
  }
  if (a.is<ast::TypeName>() && b.is<ast::TypeName>() &&
      (op == BinaryOp::Equal || op == BinaryOp::NotEqual))
    return (a.get<ast::TypeName>() == b.get<ast::TypeName>()) ==
           (op == BinaryOp::Equal);
  if ((a.isNone() || b.isNone()) &&
      (op == BinaryOp::Equal || op == BinaryOp::NotEqual))
    return (a.isNone() && b.isNone()) == (op == BinaryOp::Equal);
  if (op == BinaryOp::Add && a.is<std::shared_ptr<List>>() &&
      b.is<std::shared_ptr<List>>()) {
    constexpr size_t kLongestList = 100000;
    if (a.elements()->size() + b.elements()->size() > kLongestList)
      return fail(span, "a list of more than " + std::to_string(kLongestList) +
                            " elements");
    std::vector<Object> all = *a.elements();
    all.insert(all.end(), b.elements()->begin(), b.elements()->end());
    return Object::list(std::move(all));
  }
  auto isOperand = [](const Object &o) {
    return o.isTensorLike() || o.isNumber() || o.is<bool>() ||
           o.is<std::shared_ptr<List>>();
  };
  if (!isOperand(a) || !isOperand(b))
    return fail(span,
                sign + " does not take " + describe(a) + " and " + describe(b),
                a.is<std::shared_ptr<Tuple>>() || b.is<std::shared_ptr<Tuple>>()
                    ? "take the values apart first: `(a, b) = ...`"
                    : "");

  // Powers that are cheaper said otherwise.
  if (op == BinaryOp::Power && a.isTensorLike() && b.isNumber() && b.real()) {
    mlir::Value x = toTensor(a, span);
    if (!x)
      return {};
    if (*b.real() == 2)
      return t.binary<MulOp>(x, x);
    if (*b.real() == 0.5 && isFloat(elementTypeOf(x)))
      return mlir::Value(SqrtOp::create(t.builder, t.loc, x));
    if (*b.real() == -0.5 && isFloat(elementTypeOf(x)))
      return mlir::Value(RsqrtOp::create(t.builder, t.loc, x));
    // A negative whole power of whole numbers is a fraction.
    if (!b.is<double>() && *b.real() < 0 && !isFloat(elementTypeOf(x)))
      return t.binary<PowOp>(t.cast(x, t.f32()),
                             t.constant(*b.real(), t.f32()));
  }

  mlir::Value x, y;
  if (!toOperands(a, b, x, y, span, sign))
    return {};
  if (op == BinaryOp::And || op == BinaryOp::Or) {
    for (mlir::Value v : {x, y})
      if (!isBool(elementTypeOf(v)))
        return fail(span,
                    sign + " takes truth values, and one side is " +
                        describe(Object(v)),
                    "compare first: `x > 0`");
    return op == BinaryOp::And ? t.binary<AndOp>(x, y) : t.binary<OrOp>(x, y);
  }
  if (isComparison(op))
    return t.compare(predicate(op), x, y);

  // Truth values count as 0 and 1; `/` of whole numbers is a fraction.
  mlir::Type type = promote(elementTypeOf(x), elementTypeOf(y));
  if (isBool(type))
    type = t.i64();
  if (op == BinaryOp::Divide && !isFloat(type))
    type = t.f32();
  x = t.cast(x, promote(type, elementTypeOf(x)));
  y = t.cast(y, promote(type, elementTypeOf(y)));
  switch (op) {
  case BinaryOp::Add:
    return t.binary<AddOp>(x, y);
  case BinaryOp::Subtract:
    return t.binary<SubOp>(x, y);
  case BinaryOp::Multiply:
    return t.binary<MulOp>(x, y);
  case BinaryOp::Divide:
    return t.binary<DivOp>(x, y);
  case BinaryOp::Modulo:
    return t.binary<ModOp>(x, y);
  default:
    return t.binary<PowOp>(x, y);
  }
}

Object Elaborator::matmul(const Object &a, const Object &b, Span span) {
  mlir::Value x = toTensor(a, span), y = toTensor(b, span);
  if (!x || !y)
    return {};
  Dims l = dimsOf(x), r = dimsOf(y);
  auto complain = [&](std::string why) {
    return fail(span, "`@` of " + describe(Object(x)) + " and " +
                          describe(Object(y)) + ": " + why);
  };
  if (l.empty() || r.empty())
    return complain("a matrix product takes no scalar");
  bool leftVector = l.size() == 1, rightVector = r.size() == 1;
  if (leftVector)
    x = t.unsqueeze(x, 0);
  if (rightVector)
    y = t.unsqueeze(y, 1);
  l = dimsOf(x), r = dimsOf(y);
  if (l.back() != r[r.size() - 2])
    return complain("the inner sizes " + l.back().str() + " and " +
                    r[r.size() - 2].str() + " differ");
  std::pair<Dim, Dim> clash;
  if (r.size() > 2 && !broadcastShapes(Dims(l.begin(), l.end() - 2),
                                       Dims(r.begin(), r.end() - 2), &clash))
    return complain("the batch sizes " + clash.first.str() + " and " +
                    clash.second.str() + " differ");
  mlir::Value result = t.matmul(x, y, false);
  if (rightVector)
    result = t.squeeze(result, dimsOf(result).size() - 1);
  if (leftVector)
    result = t.squeeze(result, dimsOf(result).size() - (rightVector ? 1 : 2));
  return result;
}
