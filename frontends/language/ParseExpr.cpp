//===- ParseExpr.cpp - Expressions ----------------------------------------===//

#include "frontends/language/ParserCore.h"

#include <charconv>
#include <limits>

using namespace mapsto;
using namespace mapsto::ast;

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

namespace {
struct Operator {
  Token::Kind token;
  BinaryOp op;
  int precedence;
  std::string_view text;
};
} // namespace

/// Looser first. Unary minus and `!` bind tighter than `*`, looser than `**`;
/// `not` binds just looser than a comparison.
static constexpr int comparison = 3;
static constexpr Operator operators[] = {
    {Token::Or, BinaryOp::Or, 1, "||"},
    {Token::And, BinaryOp::And, 2, "&&"},
    {Token::Equal, BinaryOp::Equal, comparison, "=="},
    {Token::NotEqual, BinaryOp::NotEqual, comparison, "!="},
    {Token::Less, BinaryOp::Less, comparison, "<"},
    {Token::LessEqual, BinaryOp::LessEqual, comparison, "<="},
    {Token::Greater, BinaryOp::Greater, comparison, ">"},
    {Token::GreaterEqual, BinaryOp::GreaterEqual, comparison, ">="},
    {Token::Plus, BinaryOp::Add, 4, "+"},
    {Token::Minus, BinaryOp::Subtract, 4, "-"},
    {Token::Star, BinaryOp::Multiply, 5, "*"},
    {Token::Slash, BinaryOp::Divide, 5, "/"},
    {Token::Percent, BinaryOp::Modulo, 5, "%"},
    {Token::At, BinaryOp::MatMul, 5, "@"},
    {Token::StarStar, BinaryOp::Power, 6, "**"},
};

std::string_view ast::spelling(BinaryOp op) {
  for (const Operator &entry : operators)
    if (entry.op == op)
      return entry.text;
  return "";
}

static const Operator *operatorFor(Token::Kind kind) {
  // `**` has a rule of its own: parsePower.
  for (const Operator &entry : operators)
    if (entry.token == kind && kind != Token::StarStar)
      return &entry;
  return nullptr;
}

ExprPtr ParserCore::errorExpr() { return std::make_unique<ErrorExpr>(here()); }

ExprPtr ParserCore::parseExpr() {
  Nesting nesting(*this);
  if (panic || tooDeep())
    return errorExpr();
  Span start = here();
  ExprPtr value = parseBinary(1);
  if (panic || !continuesWith(Token::If))
    return value;

  auto choice = make<ConditionalExpr>(start);
  advance();
  choice->thenValue = std::move(value);
  choice->condition = parseBinary(1);
  if (!panic && !continuesWith(Token::Else))
    expected("`else`").hint("a choice is written `a if condition else b`");
  accept(Token::Else);
  choice->elseValue = parseExpr();
  auto *c = choice.get();
  return finish(std::move(choice), start,
                {c->condition.get(), c->thenValue.get(), c->elseValue.get()});
}

ExprPtr ParserCore::parseBinary(int minPrecedence) {
  Span start = here();
  ExprPtr lhs = parseUnary();
  while (!panic && !lineEnded()) {
    const Operator *op = operatorFor(kind());
    if (!op || op->precedence < minPrecedence)
      break;
    auto *left = as<BinaryExpr>(lhs);
    if (op->precedence == comparison && left && !left->parenthesized &&
        (left->op >= BinaryOp::Equal && left->op <= BinaryOp::GreaterEqual)) {
      panic = true;
      error(here(), "comparisons do not chain")
          .hint("join them: `a < b && b < c`");
      break;
    }
    auto binary = make<BinaryExpr>(start);
    binary->op = op->op;
    binary->opSpan = here();
    advance();
    binary->lhs = std::move(lhs);
    binary->rhs = parseBinary(op->precedence + 1);
    auto *b = binary.get();
    lhs = finish(std::move(binary), start, {b->lhs.get(), b->rhs.get()});
  }
  return lhs;
}

ExprPtr ParserCore::parseUnary() {
  if (!is(Token::Minus) && !is(Token::Not))
    return parsePower();
  Nesting nesting(*this);
  if (panic || tooDeep())
    return errorExpr();
  auto unary = make<UnaryExpr>(here());
  Span start = here();
  bool isWord = text() == "not";
  unary->op = is(Token::Minus) ? UnaryOp::Negate : UnaryOp::Not;
  advance();
  unary->operand = isWord ? parseBinary(comparison) : parseUnary();
  auto *u = unary.get();
  return finish(std::move(unary), start, {u->operand.get()});
}

/// `a ** b ** c` is `a ** (b ** c)`, `-a ** b` is `-(a ** b)`.
ExprPtr ParserCore::parsePower() {
  Span start = here();
  ExprPtr base = parsePostfix();
  if (panic || !continuesWith(Token::StarStar))
    return base;
  Nesting nesting(*this);
  if (tooDeep())
    return errorExpr();
  auto power = make<BinaryExpr>(start);
  power->op = BinaryOp::Power;
  power->opSpan = here();
  advance();
  power->lhs = std::move(base);
  power->rhs = parseUnary();
  auto *p = power.get();
  return finish(std::move(power), start, {p->lhs.get(), p->rhs.get()});
}

//===----------------------------------------------------------------------===//
// Calls, subscripts, members
//===----------------------------------------------------------------------===//

ExprPtr ParserCore::parsePostfix() {
  Span start = here();
  ExprPtr base = parsePrimary();
  while (!panic && !lineEnded()) {
    if (is(Token::LeftParen)) {
      base = parseCall(std::move(base), start);
    } else if (is(Token::LeftBracket)) {
      base = parseIndex(std::move(base), start);
    } else if (is(Token::Dot)) {
      auto member = make<MemberExpr>(start);
      advance();
      if (is(Token::Integer)) {
        expected("a member's name")
            .hint("an element of a list is chosen with `[" +
                  std::string(text()) + "]`");
        return errorExpr();
      }
      // After a dot, a reserved word is a name like any other.
      if (!is(Token::EndOfFile) && isIdentifier(std::string(text()) + "_")) {
        member->member = {std::string(text()), here()};
        advance();
      } else {
        expected("a member's name");
      }
      member->base = std::move(base);
      auto *m = member.get();
      base = finish(std::move(member), start, {m->base.get()});
    } else {
      break;
    }
  }
  return base;
}

void ParserCore::parseCommaList(Token::Kind close, Span open,
                                const std::function<void()> &item) {
  while (!panic && !is(close)) {
    item();
    if (!accept(Token::Comma))
      break;
  }
  expectClose(close, open);
}

Argument ParserCore::parseArgument() {
  Argument argument;
  Span start = here();
  if (is(Token::Identifier) && kind(1) == Token::Assign) {
    argument.name = {std::string(text()), here()};
    advance();
    advance();
  }
  argument.value = parseExpr();
  argument.span = since(start);
  return argument;
}

void ParserCore::checkArguments(const std::vector<Argument> &args) {
  const Argument *named = nullptr;
  for (size_t i = 0; i < args.size() && !panic; ++i) {
    if (args[i].name)
      named = &args[i];
    else if (named) {
      error(args[i].span, "a positional argument follows a named one")
          .note(named->span, "the named one is here");
      return;
    }
    for (size_t j = 0; j < i && args[i].name; ++j)
      if (args[i].name.text == args[j].name.text) {
        error(args[i].name.span, "`" + args[i].name.text + "` is given twice")
            .note(args[j].name.span, "the first time here");
        return;
      }
  }
}

/// `(a, b, name = c)`
std::vector<Argument> ParserCore::parseArguments() {
  std::vector<Argument> args;
  Span open = here();
  advance();
  ++brackets;
  parseCommaList(Token::RightParen, open,
                 [&] { args.push_back(parseArgument()); });
  if (!panic)
    --brackets;
  checkArguments(args);
  return args;
}

ExprPtr ParserCore::parseCall(ExprPtr callee, Span start) {
  Measure measure(*this);
  auto call = make<CallExpr>(start);
  Span open = here();
  call->args = parseArguments();
  call->argsSpan = since(open);
  call->callee = std::move(callee);
  const Expr *base = call->callee.get();
  return measure.finish(std::move(call), start, base);
}

ExprPtr ParserCore::parseIndex(ExprPtr base, Span start) {
  Measure measure(*this);
  auto index = make<IndexExpr>(start);
  Span open = here();
  advance();
  ++brackets;
  parseCommaList(Token::RightBracket, open,
                 [&] { index->subscripts.push_back(parseSubscript()); });
  if (!panic)
    --brackets;
  index->subscriptsSpan = since(open);
  if (!panic && index->subscripts.empty())
    error(index->subscriptsSpan, "expected an index between `[` and `]`");
  index->base = std::move(base);
  const Expr *of = index->base.get();
  return measure.finish(std::move(index), start, of);
}

Subscript ParserCore::parseSubscript() {
  Subscript subscript;
  Span start = here();
  auto atEnd = [&] {
    return is(Token::Comma) || is(Token::RightBracket) || is(Token::Colon) ||
           panic;
  };
  if (accept(Token::Ellipsis)) {
    subscript.kind = Subscript::Kind::Ellipsis;
  } else if (is(Token::None)) {
    advance();
    subscript.kind = Subscript::Kind::NewAxis;
  } else {
    ExprPtr first = is(Token::Colon) ? nullptr : parseExpr();
    if (accept(Token::Colon)) {
      subscript.kind = Subscript::Kind::Slice;
      subscript.start = std::move(first);
      if (!atEnd())
        subscript.stop = parseExpr();
      if (accept(Token::Colon) && !atEnd())
        subscript.step = parseExpr();
    } else {
      if (is(Token::DotDot))
        expected("`,` or `]`").hint("a slice is written `begin:end`");
      subscript.index = std::move(first);
    }
  }
  subscript.span = since(start);
  return subscript;
}

//===----------------------------------------------------------------------===//
// Primary expressions
//===----------------------------------------------------------------------===//

ExprPtr ParserCore::parsePrimary() {
  if (panic)
    return errorExpr();
  Span start = here();
  switch (kind()) {
  case Token::Identifier: {
    bool called = kind(1) == Token::LeftParen && !token(1).startsLine;
    if (called && isWord("attend"))
      return parseAttend();
    if (called && isWord("scan"))
      return parseScan();
    if (called && isWord("repeat"))
      return parseRepeat();
    if (kind(1) == Token::LeftBracket && !token(1).startsLine &&
        (isWord("zeros") || isWord("ones") || isWord("full")))
      return parseFill();
    auto name = make<NameExpr>(start);
    name->name = text();
    advance();
    return finish(std::move(name), start);
  }
  case Token::Integer:
  case Token::Float:
    return parseNumber();
  case Token::String:
    return parseString();
  case Token::LeftParen:
    return parseParenthesized();
  case Token::LeftBracket:
    return parseList();
  case Token::True:
  case Token::False: {
    auto boolean = make<BoolExpr>(start);
    boolean->value = is(Token::True);
    advance();
    return finish(std::move(boolean), start);
  }
  case Token::Inf: {
    auto infinity = make<FloatExpr>(start);
    infinity->value = std::numeric_limits<double>::infinity();
    advance();
    return finish(std::move(infinity), start);
  }
  case Token::None:
    advance();
    return finish(make<NoneExpr>(start), start);
  default:
    return notAnExpression();
  }
}

ExprPtr ParserCore::notAnExpression() {
  std::string what = is(Token::EndOfFile)
                         ? "the end of the file"
                         : "`" + std::string(text().substr(0, 40)) + "`";
  panic = true;
  Diagnostic &d = error(is(Token::EndOfFile) ? missing() : here(),
                        "expected an expression, found " + what);
  bool isOperator = operatorFor(kind()) || is(Token::StarStar);
  if (is(Token::Dot) && kind(1) == Token::Integer)
    d.hint("write `0." + std::string(text(1)) + "`");
  else if ((isOperator || is(Token::Dot)) && token().startsLine &&
           position > 0 && stream.tokens[position - 1].kind != Token::LeftBrace)
    d.hint("to continue a line, end it with the operator or put the "
           "expression in parentheses");
  else if (is(Token::Plus))
    d.hint("there is no unary `+`");
  else if (is(Token::Star) || is(Token::StarStar))
    d.hint("arguments are not unpacked with `*`");
  else if (is(Token::LeftBrace) && token().startsLine)
    d.hint("`{` belongs at the end of the line above");
  else if (is(Token::If))
    d.hint("a choice is written `a if condition else b`");
  return errorExpr();
}

ExprPtr ParserCore::parseNumber() {
  Span start = here();
  std::string digits;
  for (char c : text())
    if (c != '_')
      digits += c;
  const char *begin = digits.data(), *end = begin + digits.size();
  if (is(Token::Integer)) {
    auto number = make<IntExpr>(start);
    if (std::from_chars(begin, end, number->value).ec ==
        std::errc::result_out_of_range)
      error(start, "this number does not fit into 64 bits");
    advance();
    return finish(std::move(number), start);
  }
  auto number = make<FloatExpr>(start);
  // Out of range is too large, or so small that it is 0.
  if (std::from_chars(begin, end, number->value).ec ==
          std::errc::result_out_of_range &&
      digits.find('-') == std::string::npos)
    error(start, "this number does not fit into an f64")
        .hint("infinity is written `inf`");
  advance();
  return finish(std::move(number), start);
}

ExprPtr ParserCore::parseString() {
  auto string = make<StringExpr>(here());
  Span start = here();
  std::string_view body = text().substr(1);
  for (size_t i = 0; i < body.size() && body[i] != '"'; ++i) {
    char c = body[i];
    if (c == '\\' && i + 1 < body.size()) {
      c = body[++i];
      c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
    string->value += c;
  }
  advance();
  return finish(std::move(string), start);
}

/// `(a)`, `()`, `(a,)`, `(a, b)`
ExprPtr ParserCore::parseParenthesized() {
  Measure measure(*this);
  Span open = here();
  advance();
  ++brackets;
  auto tuple = make<TupleExpr>(open);
  bool comma = false;
  while (!panic && !is(Token::RightParen)) {
    tuple->elements.push_back(parseExpr());
    if (!accept(Token::Comma))
      break;
    comma = true;
  }
  expectClose(Token::RightParen, open);
  if (!panic)
    --brackets;
  if (tuple->elements.size() != 1 || comma)
    return measure.finish(std::move(tuple), open);
  ExprPtr inner = std::move(tuple->elements[0]);
  inner->parenthesized = true;
  inner->span = since(open);
  return inner;
}

/// `[a, b]`, `[f(i) for i in 0..n if i % 2 == 0]`
ExprPtr ParserCore::parseList() {
  Measure measure(*this);
  Span open = here();
  advance();
  ++brackets;
  auto list = make<ListExpr>(open);
  while (!panic && !is(Token::RightBracket)) {
    list->elements.push_back(parseExpr());
    if (!panic && is(Token::For) && list->elements.size() == 1) {
      auto all = make<ComprehensionExpr>(open);
      advance();
      all->element = std::move(list->elements[0]);
      all->target = parseTarget("the variable of the comprehension");
      expect(Token::In, "`in`");
      all->iterable = panic ? errorExpr() : parseIterable();
      if (accept(Token::If))
        all->condition = parseExpr();
      expectClose(Token::RightBracket, open);
      if (!panic)
        --brackets;
      return measure.finish(std::move(all), open);
    }
    if (!accept(Token::Comma))
      break;
  }
  expectClose(Token::RightBracket, open);
  if (!panic)
    --brackets;
  return measure.finish(std::move(list), open);
}

/// What stands behind `in`: `0..n`, or a list or sequence. No `a if b else c`
/// here, so that a comprehension can have a condition.
ExprPtr ParserCore::parseIterable() {
  Nesting nesting(*this);
  if (panic || tooDeep())
    return errorExpr();
  Span start = here();
  ExprPtr begin = parseBinary(1);
  if (panic || !continuesWith(Token::DotDot))
    return begin;
  advance();
  auto range = make<RangeExpr>(start);
  range->begin = std::move(begin);
  if (is(Token::Assign)) {
    expected("the end of the range").hint("`a..b` ends before `b`");
    return errorExpr();
  }
  range->end = parseBinary(1);
  auto *r = range.get();
  return finish(std::move(range), start, {r->begin.get(), r->end.get()});
}

/// A name, or a tuple of targets.
ExprPtr ParserCore::parseTarget(std::string what) {
  Nesting nesting(*this);
  if (panic || tooDeep())
    return errorExpr();
  Span start = here();
  if (!is(Token::LeftParen)) {
    auto name = make<NameExpr>(start);
    Name parsed = parseName(std::move(what));
    name->name = parsed.text;
    return panic ? errorExpr() : finish(std::move(name), start);
  }
  Measure measure(*this);
  auto tuple = make<TupleExpr>(start);
  advance();
  ++brackets;
  parseCommaList(Token::RightParen, start,
                 [&] { tuple->elements.push_back(parseTarget("a name")); });
  if (!panic)
    --brackets;
  return measure.finish(std::move(tuple), start);
}

/// `zeros[B, H]`, `full[B, H](value)`
ExprPtr ParserCore::parseFill() {
  Measure measure(*this);
  Span start = here();
  auto fill = make<FillExpr>(start);
  fill->what = isWord("zeros")  ? FillExpr::What::Zeros
               : isWord("ones") ? FillExpr::What::Ones
                                : FillExpr::What::Full;
  advance();
  Span open = here();
  advance();
  ++brackets;
  parseCommaList(Token::RightBracket, open,
                 [&] { fill->shape.push_back(parseExpr()); });
  if (!panic)
    --brackets;
  if (!panic && continuesWith(Token::LeftParen))
    fill->args = parseArguments();
  else if (!panic && fill->what == FillExpr::What::Full)
    expected("`(` and the value to fill with")
        .hint("for example: full[B, H](1.0)");
  return measure.finish(std::move(fill), start);
}
