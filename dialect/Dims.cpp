//===- Dims.cpp - Symbolic sizes ------------------------------------------===//

#include "dialect/Dims.h"
#include "dialect/MapstoDialect.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Checked and saturating integers
//===----------------------------------------------------------------------===//

// A coefficient that left 64 bits stays at the limit it passed; `evaluate`
// refuses such a size.
static constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
static constexpr int64_t kSmallest = std::numeric_limits<int64_t>::min();

static int64_t addSaturating(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum))
    return a > 0 ? kLargest : kSmallest;
  return sum;
}

static int64_t mulSaturating(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product))
    return (a > 0) == (b > 0) ? kLargest : kSmallest;
  return product;
}

static bool isSaturated(int64_t c) { return c == kLargest || c == kSmallest; }

// Callers exclude b == 0 and kSmallest / -1.
static int64_t floorQuotient(int64_t a, int64_t b) {
  int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

static std::optional<int64_t> applyToConstants(Dim::Op op, int64_t a,
                                               int64_t b) {
  switch (op) {
  case Dim::Op::Symbol:
    return std::nullopt;
  case Dim::Op::Min:
    return std::min(a, b);
  case Dim::Op::Max:
    return std::max(a, b);
  case Dim::Op::FloorDiv:
  case Dim::Op::CeilDiv:
  case Dim::Op::Mod:
    break;
  }
  if (b == 0 || (b == -1 && a == kSmallest))
    return std::nullopt;
  int64_t quotient = floorQuotient(a, b);
  if (op == Dim::Op::FloorDiv)
    return quotient;
  int64_t remainder = a - quotient * b;
  return op == Dim::Op::Mod ? remainder : quotient + (remainder != 0);
}

//===----------------------------------------------------------------------===//
// Polynomials
//===----------------------------------------------------------------------===//

Dim::Dim(int64_t constant) {
  if (constant != 0)
    terms[{}] = constant;
}

Dim Dim::symbol(StringRef name) {
  Dim result;
  result.terms[{Atom{Op::Symbol, name.str(), nullptr, nullptr}}] = 1;
  return result;
}

static void addTerm(Dim::Terms &terms, const Dim::Monomial &monomial,
                    int64_t coefficient) {
  auto [at, isNew] = terms.try_emplace(monomial, coefficient);
  if (!isNew)
    at->second = addSaturating(at->second, coefficient);
  if (at->second == 0)
    terms.erase(at);
}

Dim Dim::operator+(const Dim &o) const {
  Dim result = *this;
  for (const auto &[monomial, coefficient] : o.terms)
    addTerm(result.terms, monomial, coefficient);
  return result;
}

Dim Dim::operator-(const Dim &o) const { return *this + o * Dim(-1); }

static Dim::Monomial product(const Dim::Monomial &a, const Dim::Monomial &b) {
  Dim::Monomial result;
  std::merge(a.begin(), a.end(), b.begin(), b.end(),
             std::back_inserter(result));
  return result;
}

Dim Dim::operator*(const Dim &o) const {
  Dim result;
  for (const auto &[left, a] : terms)
    for (const auto &[right, b] : o.terms)
      addTerm(result.terms, product(left, right), mulSaturating(a, b));
  return result;
}

bool Dim::isConstant() const {
  return terms.empty() || (terms.size() == 1 && terms.begin()->first.empty());
}

std::optional<int64_t> Dim::constant() const {
  if (!isConstant())
    return std::nullopt;
  return terms.empty() ? 0 : terms.begin()->second;
}

std::optional<std::string> Dim::symbolName() const {
  if (terms.size() != 1 || terms.begin()->second != 1)
    return std::nullopt;
  const Monomial &monomial = terms.begin()->first;
  if (monomial.size() != 1 || monomial[0].op != Op::Symbol)
    return std::nullopt;
  return monomial[0].text;
}

static void collectSymbols(const Dim &dim, std::set<std::string> &names) {
  for (const auto &[monomial, coefficient] : dim.getTerms())
    for (const Dim::Atom &atom : monomial) {
      if (atom.op == Dim::Op::Symbol) {
        names.insert(atom.text);
        continue;
      }
      collectSymbols(*atom.lhs, names);
      collectSymbols(*atom.rhs, names);
    }
}

std::vector<std::string> Dim::symbols() const {
  std::set<std::string> names;
  collectSymbols(*this, names);
  return {names.begin(), names.end()};
}

// Graded order, larger degrees first: it is kept by multiplication, which
// division relies on, and it is how people write polynomials.
static bool comesFirst(const Dim::Monomial &a, const Dim::Monomial &b) {
  return a.size() != b.size() ? a.size() > b.size() : a < b;
}

static std::pair<Dim::Monomial, int64_t> leadingTerm(const Dim &dim) {
  auto lead = dim.getTerms().begin();
  for (auto it = lead; it != dim.getTerms().end(); ++it)
    if (comesFirst(it->first, lead->first))
      lead = it;
  return *lead;
}

static std::optional<Dim::Monomial> quotient(const Dim::Monomial &a,
                                             const Dim::Monomial &b) {
  if (!std::includes(a.begin(), a.end(), b.begin(), b.end()))
    return std::nullopt;
  Dim::Monomial result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                      std::back_inserter(result));
  return result;
}

std::optional<Dim> Dim::exactDiv(const Dim &a, const Dim &b) {
  if (b.terms.empty())
    return std::nullopt;
  auto [divisor, divisorCoefficient] = leadingTerm(b);
  Dim result, rest = a;
  // Each round removes the leading term; a quotient has no more terms than
  // there are rounds worth spending.
  constexpr int kMaxTerms = 64;
  for (int round = 0; round < kMaxTerms; ++round) {
    if (rest.terms.empty())
      return result;
    auto [lead, coefficient] = leadingTerm(rest);
    std::optional<Monomial> monomial = quotient(lead, divisor);
    if (!monomial || isSaturated(coefficient) ||
        coefficient % divisorCoefficient != 0)
      return std::nullopt;
    Dim term;
    term.terms[*monomial] = coefficient / divisorCoefficient;
    result += term;
    rest = rest - term * b;
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Operations that are no polynomials
//===----------------------------------------------------------------------===//

static StringRef nameOf(Dim::Op op) {
  switch (op) {
  case Dim::Op::FloorDiv:
    return "floordiv";
  case Dim::Op::CeilDiv:
    return "ceildiv";
  case Dim::Op::Mod:
    return "mod";
  case Dim::Op::Min:
    return "min";
  case Dim::Op::Max:
    return "max";
  case Dim::Op::Symbol:
    break;
  }
  return "";
}

Dim Dim::atom(Op op, const Dim &a, const Dim &b) {
  std::string text = nameOf(op).str() + "(" + a.str() + ", " + b.str() + ")";
  Dim result;
  result.terms[{Atom{op, std::move(text), std::make_shared<const Dim>(a),
                     std::make_shared<const Dim>(b)}}] = 1;
  return result;
}

// Whether a size is known not to be negative, symbols being sizes themselves.
static bool isNonNegative(const Dim &dim) {
  auto atomIsNonNegative = [](const Dim::Atom &atom) {
    switch (atom.op) {
    case Dim::Op::Symbol:
      return true;
    case Dim::Op::FloorDiv:
    case Dim::Op::CeilDiv:
    case Dim::Op::Min:
      return isNonNegative(*atom.lhs) && isNonNegative(*atom.rhs);
    case Dim::Op::Max:
      return isNonNegative(*atom.lhs) || isNonNegative(*atom.rhs);
    case Dim::Op::Mod:
      return isNonNegative(*atom.rhs);
    }
    return false;
  };
  return llvm::all_of(dim.getTerms(), [&](const auto &term) {
    return term.second > 0 && llvm::all_of(term.first, atomIsNonNegative);
  });
}

// Splits a into b * quotient + rest, the rest's coefficients in [0, b).
std::pair<Dim, Dim> Dim::splitByConstant(const Dim &a, int64_t b) {
  Dim whole, rest;
  for (const auto &[monomial, coefficient] : a.terms) {
    int64_t remainder = coefficient % b;
    addTerm(whole.terms, monomial, floorQuotient(coefficient, b));
    addTerm(rest.terms, monomial, remainder < 0 ? remainder + b : remainder);
  }
  return {whole, rest};
}

// rest / divisor with what both have in common taken out: of g*y + c over g*d
// remains y + floor(c / g) over d.
std::pair<Dim, int64_t> Dim::reduceFraction(const Dim &rest, int64_t divisor) {
  int64_t common = divisor;
  for (const auto &[monomial, coefficient] : rest.terms)
    if (!monomial.empty())
      common = std::gcd(common, coefficient);
  return {splitByConstant(rest, common).first, divisor / common};
}

Dim Dim::floorDiv(const Dim &a, const Dim &b) {
  std::optional<int64_t> divisor = b.constant();
  if (divisor && a.isConstant()) {
    if (auto folded = applyToConstants(Op::FloorDiv, *a.constant(), *divisor))
      return Dim(*folded);
    return atom(Op::FloorDiv, a, b);
  }
  if (std::optional<Dim> exact = exactDiv(a, b))
    return *exact;
  if (!divisor || *divisor <= 0)
    return atom(Op::FloorDiv, a, b);

  auto [whole, rest] = splitByConstant(a, *divisor);
  if (rest.isConstant())
    return whole;
  auto [numerator, denominator] = reduceFraction(rest, *divisor);
  if (denominator == 1)
    return whole + numerator;
  // floordiv(floordiv(x, p), q) is floordiv(x, p*q).
  if (numerator.terms.size() == 1 && numerator.terms.begin()->second == 1 &&
      numerator.terms.begin()->first.size() == 1) {
    const Atom &inner = numerator.terms.begin()->first[0];
    if (inner.op == Op::FloorDiv && inner.rhs->constant() &&
        *inner.rhs->constant() > 0)
      return whole + floorDiv(*inner.lhs, *inner.rhs * Dim(denominator));
  }
  return whole + atom(Op::FloorDiv, numerator, Dim(denominator));
}

Dim Dim::ceilDiv(const Dim &a, const Dim &b) {
  std::optional<int64_t> divisor = b.constant();
  if (divisor && *divisor > 0)
    return floorDiv(a + Dim(*divisor - 1), b);
  if (divisor && a.isConstant())
    if (auto folded = applyToConstants(Op::CeilDiv, *a.constant(), *divisor))
      return Dim(*folded);
  if (std::optional<Dim> exact = exactDiv(a, b))
    return *exact;
  return atom(Op::CeilDiv, a, b);
}

Dim Dim::mod(const Dim &a, const Dim &b) {
  std::optional<int64_t> divisor = b.constant();
  if (divisor && a.isConstant()) {
    if (auto folded = applyToConstants(Op::Mod, *a.constant(), *divisor))
      return Dim(*folded);
    return atom(Op::Mod, a, b);
  }
  if (exactDiv(a, b))
    return Dim();
  if (!divisor || *divisor <= 0)
    return atom(Op::Mod, a, b);
  Dim rest = splitByConstant(a, *divisor).second;
  return rest.isConstant() ? rest : atom(Op::Mod, rest, b);
}

static Dim smallerOrLarger(const Dim &a, const Dim &b, bool smaller,
                           llvm::function_ref<Dim(bool swap)> undecided) {
  if (isNonNegative(b - a))
    return smaller ? a : b;
  if (isNonNegative(a - b))
    return smaller ? b : a;
  // Constants last, as they are written; otherwise by text.
  bool swap = a.isConstant() || (!b.isConstant() && b.str() < a.str());
  return undecided(swap);
}

Dim Dim::min(const Dim &a, const Dim &b) {
  return smallerOrLarger(a, b, /*smaller=*/true, [&](bool swap) {
    return swap ? atom(Op::Min, b, a) : atom(Op::Min, a, b);
  });
}

Dim Dim::max(const Dim &a, const Dim &b) {
  return smallerOrLarger(a, b, /*smaller=*/false, [&](bool swap) {
    return swap ? atom(Op::Max, b, a) : atom(Op::Max, a, b);
  });
}

//===----------------------------------------------------------------------===//
// Substitution and evaluation
//===----------------------------------------------------------------------===//

static Dim apply(Dim::Op op, const Dim &a, const Dim &b) {
  switch (op) {
  case Dim::Op::FloorDiv:
    return Dim::floorDiv(a, b);
  case Dim::Op::CeilDiv:
    return Dim::ceilDiv(a, b);
  case Dim::Op::Mod:
    return Dim::mod(a, b);
  case Dim::Op::Min:
    return Dim::min(a, b);
  case Dim::Op::Max:
    return Dim::max(a, b);
  case Dim::Op::Symbol:
    break;
  }
  return Dim();
}

Dim Dim::substitute(
    llvm::function_ref<std::optional<Dim>(StringRef)> value) const {
  Dim result;
  for (const auto &[monomial, coefficient] : terms) {
    Dim term(coefficient);
    for (const Atom &atom : monomial) {
      if (atom.op == Op::Symbol)
        term *= value(atom.text).value_or(symbol(atom.text));
      else
        term *= apply(atom.op, atom.lhs->substitute(value),
                      atom.rhs->substitute(value));
    }
    result += term;
  }
  return result;
}

std::optional<int64_t> Dim::evaluate(
    llvm::function_ref<std::optional<int64_t>(StringRef)> value) const {
  int64_t sum = 0;
  for (const auto &[monomial, coefficient] : terms) {
    if (isSaturated(coefficient))
      return std::nullopt;
    int64_t product = coefficient;
    bool overflowed = false, isZero = false;
    for (const Atom &atom : monomial) {
      std::optional<int64_t> factor;
      if (atom.op == Op::Symbol) {
        factor = value(atom.text);
      } else {
        std::optional<int64_t> a = atom.lhs->evaluate(value);
        std::optional<int64_t> b = atom.rhs->evaluate(value);
        if (a && b)
          factor = applyToConstants(atom.op, *a, *b);
      }
      if (!factor)
        return std::nullopt;
      isZero |= *factor == 0;
      overflowed |= __builtin_mul_overflow(product, *factor, &product);
    }
    if (isZero)
      continue;
    if (overflowed || __builtin_add_overflow(sum, product, &sum))
      return std::nullopt;
  }
  return sum;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string Dim::str() const {
  if (terms.empty())
    return "0";
  std::vector<std::pair<Monomial, int64_t>> ordered(terms.begin(), terms.end());
  llvm::sort(ordered, [](const auto &a, const auto &b) {
    return comesFirst(a.first, b.first);
  });
  std::string text;
  for (const auto &[monomial, coefficient] : ordered) {
    bool negative = coefficient < 0;
    if (!text.empty())
      text += negative ? " - " : " + ";
    else if (negative)
      text += "-";
    // Unsigned, so that the most negative number has a magnitude.
    uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(coefficient)
                                  : static_cast<uint64_t>(coefficient);
    std::vector<std::string> factors;
    if (magnitude != 1 || monomial.empty())
      factors.push_back(std::to_string(magnitude));
    for (const Atom &atom : monomial)
      factors.push_back(atom.text);
    text += llvm::join(factors, "*");
  }
  return text;
}

namespace {
// sum := ['-'] product (('+' | '-') product)*
// product := factor ('*' factor)*
// factor := integer | symbol | function '(' sum ',' sum ')' | '(' sum ')'
class DimParser {
public:
  explicit DimParser(StringRef text) : rest(text.ltrim()) {}

  FailureOr<Dim> parse() {
    FailureOr<Dim> dim = sum(/*depth=*/0);
    if (failed(dim) || !rest.empty())
      return failure();
    return dim;
  }

private:
  // Deep enough for any size a person or a frontend writes.
  static constexpr int kMaxDepth = 100;

  bool take(char c) {
    if (!rest.starts_with(c))
      return false;
    rest = rest.drop_front().ltrim();
    return true;
  }

  FailureOr<Dim> sum(int depth) {
    if (depth > kMaxDepth)
      return failure();
    bool negative = take('-');
    FailureOr<Dim> total = product(depth, negative);
    while (succeeded(total)) {
      if (take('+'))
        negative = false;
      else if (take('-'))
        negative = true;
      else
        return total;
      FailureOr<Dim> next = product(depth, negative);
      if (failed(next))
        return failure();
      *total += *next;
    }
    return failure();
  }

  FailureOr<Dim> product(int depth, bool negative) {
    Dim total(negative ? -1 : 1);
    do {
      FailureOr<Dim> next = factor(depth);
      if (failed(next))
        return failure();
      total *= *next;
    } while (take('*'));
    return total;
  }

  FailureOr<Dim> factor(int depth) {
    if (take('(')) {
      FailureOr<Dim> inner = sum(depth + 1);
      return succeeded(inner) && take(')') ? inner : FailureOr<Dim>();
    }
    if (!rest.empty() && llvm::isDigit(rest.front())) {
      int64_t number;
      StringRef digits = rest.take_while(llvm::isDigit);
      if (digits.getAsInteger(10, number))
        return failure();
      rest = rest.drop_front(digits.size()).ltrim();
      return Dim(number);
    }
    auto isNameChar = [](char c) {
      return llvm::isAlnum(c) || c == '_' || c == '.' || c == '$';
    };
    StringRef name = rest.take_while(isNameChar);
    if (name.empty())
      return failure();
    rest = rest.drop_front(name.size()).ltrim();
    if (!take('('))
      return Dim::symbol(name);
    return call(name, depth);
  }

  FailureOr<Dim> call(StringRef function, int depth) {
    using Op = Dim::Op;
    for (Op op : {Op::FloorDiv, Op::CeilDiv, Op::Mod, Op::Min, Op::Max}) {
      if (nameOf(op) != function)
        continue;
      FailureOr<Dim> a = sum(depth + 1);
      if (failed(a) || !take(','))
        return failure();
      FailureOr<Dim> b = sum(depth + 1);
      if (failed(b) || !take(')'))
        return failure();
      return apply(op, *a, *b);
    }
    return failure();
  }

  StringRef rest;
};
} // namespace

FailureOr<Dim> Dim::parse(StringRef text) { return DimParser(text).parse(); }

//===----------------------------------------------------------------------===//
// Sizes of tensors
//===----------------------------------------------------------------------===//

bool hasSizes(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && (tensor.hasStaticShape() ||
                    isa_and_nonnull<DimsAttr>(tensor.getEncoding()));
}

Dims dimsOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (auto encoded = dyn_cast_if_present<DimsAttr>(tensor.getEncoding()))
    return encoded.getDims();
  Dims dims;
  for (int64_t size : tensor.getShape())
    dims.push_back(ShapedType::isDynamic(size) ? Dim::symbol("?") : Dim(size));
  return dims;
}

Dim dimOf(Value value, int64_t axis) { return dimsOf(value)[axis]; }

RankedTensorType tensorOf(ArrayRef<Dim> dims, Type elementType) {
  SmallVector<int64_t> shape;
  for (const Dim &dim : dims)
    shape.push_back(dim.constant().value_or(ShapedType::kDynamic));
  Attribute encoding;
  if (llvm::is_contained(shape, ShapedType::kDynamic))
    encoding = DimsAttr::get(elementType.getContext(), dims);
  return RankedTensorType::get(shape, elementType, encoding);
}

Dim numElements(ArrayRef<Dim> dims) {
  Dim count(1);
  for (const Dim &dim : dims)
    count *= dim;
  return count;
}

std::string str(ArrayRef<Dim> dims) {
  std::vector<std::string> texts;
  for (const Dim &dim : dims)
    texts.push_back(dim.str());
  return "[" + llvm::join(texts, ", ") + "]";
}

Type elementTypeOf(Value value) {
  return cast<ShapedType>(value.getType()).getElementType();
}

} // namespace mapsto
