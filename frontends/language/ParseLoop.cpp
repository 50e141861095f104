//===- ParseLoop.cpp - attend, scan and repeat ----------------------------===//

#include "frontends/language/ParserCore.h"

using namespace mapsto;
using namespace mapsto::ast;

//===----------------------------------------------------------------------===//
// attend
//===----------------------------------------------------------------------===//

ExprPtr ParserCore::parseAttend() {
  Measure measure(*this);
  Nesting nesting(*this);
  if (tooDeep())
    return errorExpr();
  Span start = here();
  auto attend = make<AttendExpr>(start);
  advance();
  Span open = here();
  attend->args = parseArguments();
  attend->argsSpan = since(open);
  if (panic || !continuesWith(Token::LeftBrace))
    return measure.finish(std::move(attend), start);

  Span brace = here();
  advance();
  unsigned outerBrackets = std::exchange(brackets, 0);
  while (!is(Token::RightBrace) && !is(Token::EndOfFile) && !atDeclaration() &&
         !diagnostics.full()) {
    size_t before = position;
    if (!accept(Token::Semicolon)) {
      AttendClause clause = parseClause();
      for (const AttendClause &other : attend->clauses)
        if (!panic && other.name && other.kind == clause.kind)
          error(clause.name.span,
                "an `attend` has only one `" + clause.name.text + "`")
              .note(other.name.span, "the first one is here");
      attend->clauses.push_back(std::move(clause));
      if (!panic)
        expectStatementEnd();
    }
    synchronize();
    if (position == before)
      advance();
  }
  brackets = outerBrackets;
  if (!accept(Token::RightBrace)) {
    panic = true;
    error(missing(), "expected `}` to close `attend`")
        .note(brace, "the `{` that is not closed");
  }
  return measure.finish(std::move(attend), start);
}

AttendClause ParserCore::parseClause() {
  AttendClause clause;
  starts.push_back(position);
  clause.span = here();
  std::string word(is(Token::Identifier) ? text() : "");
  if (word == "score") {
    clause.kind = AttendClause::Kind::Score;
  } else if (word == "modify") {
    clause.kind = AttendClause::Kind::Modify;
  } else if (word == "mask") {
    clause.kind = AttendClause::Kind::Mask;
  } else {
    panic = true;
    error(here(), "expected `score`, `modify` or `mask`, found `" +
                      std::string(text().substr(0, 40)) + "`")
        .hint(didYouMean(word, {"score", "modify", "mask"}));
    advance();
    return clause;
  }
  clause.name = parseName("");
  Span open = here();
  if (!is(Token::LeftParen))
    expected("`(` and the names that `" + word + "` is given")
        .hint(word == "score"    ? "for example: score(q, k) = dot(q, k)"
              : word == "modify" ? "for example: modify(s, b, h, i, j) = s + "
                                   "abs(i - j)"
                                 : "for example: mask(b, h, i, j) = j <= i");
  if (accept(Token::LeftParen)) {
    ++brackets;
    parseCommaList(Token::RightParen, open,
                   [&] { clause.params.push_back(parseName("a name")); });
    if (!panic)
      --brackets;
  }
  if (panic)
    return clause;
  if (is(Token::LeftBrace)) {
    clause.body = parseBlock(Context::Inner, "the clause");
  } else if (is(Token::Assign)) {
    advance();
    if (is(Token::LeftBrace))
      clause.body = parseBlock(Context::Inner, "the clause");
    else
      clause.value = parseValue();
  } else {
    expected("`=` and an expression, or a block")
        .hint(is(Token::Equal) ? "`=` defines, `==` compares" : "");
  }
  clause.span = since(clause.span);
  return clause;
}

//===----------------------------------------------------------------------===//
// scan and repeat
//===----------------------------------------------------------------------===//

Carry ParserCore::parseCarry(ExprPtr target, Span start) {
  Carry carry;
  advance(); // `=`
  auto *name = as<NameExpr>(target);
  if (name && (name->name == "reverse" || name->name == "lengths" ||
               name->name == "axis"))
    error(start, "`" + name->name + "` is an option, not a carried value")
        .hint("options stand behind a `;`: scan(x_t in x, s = s0; " +
              name->name + " = ...)");
  carry.target = std::move(target);
  carry.init = parseExpr();
  carry.span = since(start);
  return carry;
}

std::vector<Argument> ParserCore::parseOptions(Token::Kind close, Span open) {
  std::vector<Argument> options;
  parseCommaList(close, open, [&] {
    if (!is(Token::Identifier) || kind(1) != Token::Assign) {
      expected("an option")
          .hint("for example: reverse = true, lengths = n, axis = 1");
      return;
    }
    options.push_back(parseArgument());
  });
  checkArguments(options);
  return options;
}

ExprPtr ParserCore::parseScan() {
  Measure measure(*this);
  Nesting nesting(*this);
  if (tooDeep())
    return errorExpr();
  Span start = here();
  auto scan = make<ScanExpr>(start);
  advance();
  Span open = here();
  advance();
  ++brackets;
  while (!panic && !is(Token::RightParen) && !is(Token::Semicolon)) {
    Span item = here();
    ExprPtr target = parseTarget("a name");
    if (accept(Token::In)) {
      SequenceInput input;
      input.target = std::move(target);
      input.sequence = parseIterable();
      input.span = since(item);
      scan->inputs.push_back(std::move(input));
    } else if (is(Token::Assign)) {
      scan->carries.push_back(parseCarry(std::move(target), item));
    } else {
      expected("`in` and a sequence, or `=` and a first value")
          .hint("for example: scan(x_t in x, s = zeros[B, H])");
    }
    if (!accept(Token::Comma))
      break;
  }
  if (accept(Token::Semicolon))
    scan->options = parseOptions(Token::RightParen, open);
  else
    expectClose(Token::RightParen, open);
  if (!panic)
    --brackets;
  scan->headSpan = since(start);
  if (!panic && scan->inputs.empty())
    error(scan->headSpan, "`scan` needs a sequence to go along")
        .hint("for example: scan(x_t in x, ...); a loop without a sequence is "
              "`repeat(n, ...)`");
  scan->body = parseBlock(Context::LoopBody, "the body of `scan`");
  checkLoopEnd(scan->body, /*isRepeat=*/false);
  return measure.finish(std::move(scan), start);
}

ExprPtr ParserCore::parseRepeat() {
  Measure measure(*this);
  Nesting nesting(*this);
  if (tooDeep())
    return errorExpr();
  Span start = here();
  auto repeat = make<RepeatExpr>(start);
  advance();
  Span open = here();
  advance();
  ++brackets;
  if (is(Token::RightParen) || kind(1) == Token::Assign) {
    expected("how often to repeat")
        .hint("for example: repeat(n, ...) or repeat(i in 0..n, ...)");
  } else if (is(Token::Identifier) && kind(1) == Token::In) {
    repeat->index = parseName("the index");
    advance();
    repeat->count = parseIterable();
  } else {
    repeat->count = parseExpr();
  }
  bool more = accept(Token::Comma);
  while (more && !panic && !is(Token::RightParen) && !is(Token::Semicolon)) {
    Span item = here();
    ExprPtr target = parseTarget("a name");
    if (is(Token::Assign))
      repeat->carries.push_back(parseCarry(std::move(target), item));
    else
      expected("`=` and a first value")
          .hint(is(Token::In) ? "`repeat` has no sequences; `scan` has" : "");
    more = accept(Token::Comma);
  }
  if (accept(Token::Semicolon))
    repeat->options = parseOptions(Token::RightParen, open);
  else
    expectClose(Token::RightParen, open);
  if (!panic)
    --brackets;
  repeat->headSpan = since(start);
  repeat->body = parseBlock(Context::LoopBody, "the body of `repeat`");
  checkLoopEnd(repeat->body, /*isRepeat=*/true);
  return measure.finish(std::move(repeat), start);
}
