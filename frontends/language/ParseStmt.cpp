//===- ParseStmt.cpp - Blocks and statements ------------------------------===//

#include "frontends/language/ParserCore.h"

#include <algorithm>

using namespace mapsto;
using namespace mapsto::ast;

/// Where the first character that is not a blank stands in the line of `span`.
static unsigned indentation(Span span) {
  std::string_view line = span.file->lineText(span.start().line);
  size_t indent = line.find_first_not_of(" \t");
  return indent == std::string_view::npos ? 0 : indent;
}

Block ParserCore::parseBlock(Context context, std::string what,
                             ModelDecl *model) {
  Block block;
  block.span = here();
  if (panic)
    return block;
  if (!is(Token::LeftBrace)) {
    Diagnostic &d = expected("`{` to begin " + what);
    if (is(Token::Colon))
      d.hint("blocks stand between braces");
    else if (is(Token::Assign))
      d.hint("equality is written `==`");
    return block;
  }
  Nesting nesting(*this);
  if (tooDeep())
    return block;

  Span open = here();
  advance();
  unsigned outerBrackets = std::exchange(brackets, 0);
  while (!is(Token::RightBrace) && !is(Token::EndOfFile) && !atDeclaration() &&
         !diagnostics.full()) {
    size_t before = position;
    if (!accept(Token::Semicolon)) {
      if (model && atMapping())
        model->mappings.push_back(parseMapping());
      else if (StmtPtr statement = parseStatement(context))
        block.statements.push_back(std::move(statement));
    }
    if (!panic && !is(Token::RightBrace))
      expectStatementEnd();
    synchronize();
    if (position == before)
      advance();
  }
  brackets = outerBrackets;

  if (is(Token::RightBrace)) {
    bool ownLine = token().startsLine;
    if (ownLine && !suspect && indentation(here()) != indentation(open))
      suspect = open;
    advance();
  } else if (!diagnostics.full()) {
    // One message for all that is open; the outer blocks end here too.
    std::string before = is(Token::EndOfFile) ? "the end of the file"
                                              : "`" + std::string(text()) + "`";
    panic = true;
    Diagnostic &d = error(missing(), "expected `}`, found " + before);
    d.note(suspect ? suspect : open, suspect ? "this `{` may be the one that "
                                               "is not closed"
                                             : "the `{` that is not closed");
  } else {
    panic = true;
  }
  block.span = since(block.span);
  return block;
}

void ParserCore::expectStatementEnd() {
  if (panic || lineEnded() || is(Token::RightBrace) || accept(Token::Semicolon))
    return;
  Diagnostic &d = expected("the end of the line");
  if (isWord("elif") || isWord("elseif") || isWord("elsif"))
    d.hint("a further condition is written `else if`");
  else if (is(Token::Comma))
    d.hint("several values stand in parentheses: `(a, b)`");
  else if (is(Token::Assign))
    d.hint("one line assigns once");
  else if (is(Token::DotDot))
    d.hint("a range stands only after `in`: `for i in 0..n`");
  else if (is(Token::RightParen) || is(Token::RightBracket))
    d.hint("this closes nothing");
  else if (is(Token::Question))
    d.hint("a choice is written `a if condition else b`");
}

bool ParserCore::atKeyword(std::string_view word) const {
  return isWord(word) && !token(1).startsLine &&
         (kind(1) == Token::Identifier ||
          (kind(1) == Token::LeftParen && word == "let"));
}

StmtPtr ParserCore::parseStatement(Context context) {
  starts.push_back(position);
  std::string doc = takeDoc();
  StmtPtr statement;
  switch (kind()) {
  case Token::If:
    statement = parseIf(context);
    break;
  case Token::For:
    statement = parseFor(context);
    break;
  case Token::Return:
    statement = parseReturn(context);
    break;
  case Token::Yield:
    statement = parseYield(context);
    break;
  case Token::Until:
    statement = parseUntil(context);
    break;
  case Token::Else:
    panic = true;
    error(here(), "this `else` belongs to no `if`");
    advance();
    return nullptr;
  default:
    if (atKeyword("let") || atKeyword("const")) {
      statement = parseLet();
    } else if (atKeyword("param") || atKeyword("state")) {
      bool isParam = isWord("param");
      if (context != Context::ModelBody)
        error(here(), "`" + std::string(text()) +
                          "` is declared in a model, beside its layers, not "
                          "in a mapping");
      statement = isParam ? parseParam() : parseState();
    } else {
      statement = parseAssignOrExpr(context);
    }
  }
  if (statement)
    statement->doc = std::move(doc);
  return statement;
}

//===----------------------------------------------------------------------===//
// Bindings
//===----------------------------------------------------------------------===//

StmtPtr ParserCore::parseLet() {
  auto let = std::make_unique<LetStmt>(here());
  advance();
  let->target = parseTarget("the name of the value");
  if (accept(Token::Colon))
    let->type = parseType(/*mayBeOptional=*/false);
  if (!panic)
    expect(Token::Assign, "`=` and the value");
  let->value = parseValue();
  let->span = since(let->span);
  return let;
}

StmtPtr ParserCore::parseParam() {
  auto param = std::make_unique<ParamStmt>(here());
  advance();
  param->name = parseName("the parameter's name");
  if (!is(Token::Colon))
    expected("`:` and the type of `" + param->name.text + "`")
        .hint("for example: param " + param->name.text + ": f32[H, E]");
  accept(Token::Colon);
  param->type = parseType(/*mayBeOptional=*/false);
  if (accept(Token::Assign))
    param->alias = parseExpr();
  param->span = since(param->span);
  return param;
}

StmtPtr ParserCore::parseState() {
  auto state = std::make_unique<StateStmt>(here());
  advance();
  state->name = parseName("the state's name");
  if (!is(Token::Colon))
    expected("`:` and the type of `" + state->name.text + "`")
        .hint("for example: state " + state->name.text + ": f32[B, S, D]");
  accept(Token::Colon);
  state->type = parseType(/*mayBeOptional=*/false);
  if (accept(Token::Assign))
    state->init = parseExpr();
  state->span = since(state->span);
  return state;
}

/// What follows `=`: on the same line, or on the next unless that line is
/// plainly a statement of its own.
ExprPtr ParserCore::parseValue() {
  if (panic)
    return errorExpr();
  bool nextIsStatement =
      is(Token::RightBrace) || is(Token::If) || is(Token::For) ||
      is(Token::Return) || is(Token::Yield) || is(Token::Until) ||
      kind(1) == Token::Assign || atKeyword("let") || atKeyword("param") ||
      atKeyword("state") || atDeclaration();
  if (lineEnded() && (nextIsStatement || is(Token::EndOfFile))) {
    expected("a value after `=`");
    return errorExpr();
  }
  return parseExpr();
}

bool ParserCore::isTarget(const Expr &target) {
  if (auto *tuple = as<TupleExpr>(&target))
    return std::all_of(tuple->elements.begin(), tuple->elements.end(),
                       [&](const ExprPtr &e) { return isTarget(*e); });
  if (as<NameExpr>(&target) || as<IndexExpr>(&target) ||
      as<MemberExpr>(&target) || as<ErrorExpr>(&target))
    return true;
  Diagnostic &d = error(target.span, "this cannot be assigned to");
  if (target.kind == Expr::Kind::Fill)
    d.hint("`" +
           std::string(
               target.span.text().substr(0, target.span.text().find('['))) +
           "` makes a new tensor; choose another name");
  else
    d.hint("a target is a name, a slice `x[...]`, or a tuple of these");
  return false;
}

StmtPtr ParserCore::parseAssignOrExpr(Context context) {
  Span start = here();
  // Words of other languages that would otherwise give a puzzling error.
  if (is(Token::Identifier) && !token(1).startsLine) {
    const char *hint = nullptr;
    bool nameFollows = kind(1) == Token::Identifier;
    if ((isWord("elif") || isWord("elseif") || isWord("elsif")) && nameFollows)
      hint = "a further condition is written `else if`";
    else if (isWord("while") && (nameFollows || kind(1) == Token::LeftParen))
      hint = "loops are `for i in 0..n` (fixed when compiling), `scan` over a "
             "sequence and `repeat` with `until`";
    else if ((isWord("def") || isWord("fn")) && nameFollows)
      hint = "functions are declared outside of models and functions";
    else if (isWord("import") && kind(1) == Token::String)
      hint = "imports stand at the top of the file";
    if (hint) {
      panic = true;
      error(start, "unexpected `" + std::string(text()) + "`").hint(hint);
      advance();
      return nullptr;
    }
  }

  ExprPtr first = parseExpr();
  if (panic)
    return nullptr;

  bool annotated = continuesWith(Token::Colon) && as<NameExpr>(first);
  if (annotated || continuesWith(Token::Assign)) {
    auto assign = std::make_unique<AssignStmt>(start);
    bool valid = isTarget(*first);
    assign->target = std::move(first);
    if (annotated) {
      advance();
      assign->type = parseType(/*mayBeOptional=*/false);
      if (!panic && !continuesWith(Token::Assign)) {
        Diagnostic &d = expected("`=` and the value");
        if (context == Context::ModelBody)
          d.hint("a parameter is declared with `param`, a state with `state`");
      }
    }
    accept(Token::Assign);
    assign->value = parseValue();
    assign->span = since(start);
    if (!valid || panic)
      return nullptr;
    return assign;
  }

  std::string target(first->span.text().substr(0, 40));
  if (continuesWith(Token::AssignWithOp)) {
    std::string op(text().substr(0, text().size() - 1));
    panic = true;
    error(here(), "there is no `" + std::string(text()) + "`")
        .hint("write `" + target + " = " + target + " " + op + " ...`");
    return nullptr;
  }
  if (continuesWith(Token::Comma) && as<NameExpr>(first)) {
    expected("the end of the line")
        .hint("several targets stand in parentheses: `(a, b) = ...`");
    return nullptr;
  }
  if (context == Context::ModelBody || context == Context::Train) {
    auto *compare = as<BinaryExpr>(first);
    if (compare && compare->op == BinaryOp::Equal) {
      error(compare->opSpan, "expected `=`, found `==`")
          .hint("`=` assigns, `==` compares");
      return nullptr;
    }
    if (!as<CallExpr>(first)) {
      Diagnostic &d = error(first->span, "expected a layer, `param`, `state`, "
                                         "`let` or a mapping");
      if (context == Context::Train)
        d.message = "expected a setting, such as `optimizer = adam(lr = 1e-3)`";
      else if (auto *name = as<NameExpr>(first))
        d.hint(didYouMean(name->name, {"param", "state", "let", "const"}));
      panic = !lineEnded();
      return nullptr;
    }
  }
  auto statement = std::make_unique<ExprStmt>(first->span);
  statement->value = std::move(first);
  return statement;
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

/// The statements of an `if` or `for` inside `context`: not the end of a loop
/// body any more.
static auto innerContext(auto context) {
  using Context = decltype(context);
  return context == Context::LoopBody ? Context::Inner : context;
}

StmtPtr ParserCore::parseIf(Context context) {
  auto statement = std::make_unique<IfStmt>(here());
  for (bool more = true; more && !panic;) {
    advance(); // `if`
    IfStmt::Branch branch;
    branch.condition = parseExpr();
    branch.body = parseBlock(innerContext(context), "what `if` chooses");
    statement->branches.push_back(std::move(branch));
    more = false;
    if (accept(Token::Else)) {
      if (continuesWith(Token::If)) {
        more = true;
        continue;
      }
      IfStmt::Branch otherwise;
      otherwise.body = parseBlock(innerContext(context), "what `else` chooses");
      statement->branches.push_back(std::move(otherwise));
    }
  }
  statement->span = since(statement->span);
  return statement;
}

StmtPtr ParserCore::parseFor(Context context) {
  auto statement = std::make_unique<ForStmt>(here());
  advance();
  statement->target = parseTarget("the loop's variable");
  if (!panic)
    expect(Token::In, "`in`");
  statement->iterable = panic ? errorExpr() : parseIterable();
  statement->body = parseBlock(innerContext(context), "the loop's body");
  statement->span = since(statement->span);
  return statement;
}

StmtPtr ParserCore::parseReturn(Context context) {
  auto statement = std::make_unique<ReturnStmt>(here());
  if (context != Context::Body)
    error(here(), "`return` stands only in a function or a mapping")
        .hint(context == Context::ModelBody ? ""
                                            : "the last expression of a block "
                                              "is its value; a loop gives its "
                                              "results with `yield`");
  advance();
  if (!lineEnded() && !is(Token::RightBrace) && !is(Token::Semicolon)) {
    Span start = here();
    ExprPtr value = parseExpr();
    if (continuesWith(Token::Comma)) {
      auto tuple = std::make_unique<TupleExpr>(start);
      unsigned height = value->height;
      tuple->elements.push_back(std::move(value));
      while (!panic && !lineEnded() && accept(Token::Comma)) {
        tuple->elements.push_back(parseExpr());
        height = std::max(height, tuple->elements.back()->height);
      }
      tuple->span = since(start);
      value = bounded(std::move(tuple), height + 1);
    }
    statement->value = std::move(value);
  }
  statement->span = since(statement->span);
  return statement;
}

StmtPtr ParserCore::parseYield(Context context) {
  auto statement = std::make_unique<YieldStmt>(here());
  if (context != Context::LoopBody)
    error(here(), "`yield` stands only at the end of a `scan` or `repeat`");
  advance();
  do {
    statement->values.push_back(parseExpr());
  } while (!panic && !lineEnded() && accept(Token::Comma));
  statement->span = since(statement->span);
  return statement;
}

StmtPtr ParserCore::parseUntil(Context context) {
  auto statement = std::make_unique<UntilStmt>(here());
  if (context != Context::LoopBody)
    error(here(), "`until` stands only at the end of a `repeat`");
  advance();
  statement->condition = parseExpr();
  statement->span = since(statement->span);
  return statement;
}

/// `yield` and `until` come once each, after everything else.
void ParserCore::checkLoopEnd(const Block &body, bool isRepeat) {
  const Stmt *yield = nullptr, *until = nullptr;
  for (const StmtPtr &statement : body.statements) {
    bool isYield = as<YieldStmt>(statement), isUntil = as<UntilStmt>(statement);
    if (isUntil && !isRepeat)
      error(statement->span, "`scan` has no `until`")
          .hint("`repeat` has; a `scan` takes as many steps as its sequence");
    const Stmt *&seen = isUntil ? until : yield;
    std::string word = isUntil ? "`until`" : "`yield`";
    if (isYield || isUntil) {
      if (seen)
        error(statement->span, "a loop has only one " + word)
            .note(seen->span, "the first one is here")
            .hint(isUntil ? "join the conditions with `||`"
                          : "one `yield` gives several values: `yield a, b`");
      seen = statement.get();
    } else if (yield || until) {
      error(statement->span, "nothing follows " +
                                 std::string(yield ? "`yield`" : "`until`") +
                                 " in a loop's body")
          .note((yield ? yield : until)->span, "a step of the loop ends here");
      return;
    }
  }
}
