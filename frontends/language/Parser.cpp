//===- Parser.cpp - Tokens, errors and recovery of the parser -------------===//

#include "frontends/language/Parser.h"
#include "frontends/language/ParserCore.h"

#include <algorithm>

using namespace mapsto;
using namespace mapsto::ast;

std::unique_ptr<File> mapsto::parse(const SourceFile &source,
                                    DiagnosticEngine &diagnostics) {
  return ParserCore(source, diagnostics).parseFile();
}

ExprPtr mapsto::parseExpression(const SourceFile &source,
                                DiagnosticEngine &diagnostics) {
  unsigned before = diagnostics.errorCount();
  ExprPtr expr = ParserCore(source, diagnostics).parseWholeExpression();
  return diagnostics.errorCount() == before ? std::move(expr) : nullptr;
}

ParserCore::ParserCore(const SourceFile &source, DiagnosticEngine &diagnostics)
    : source(source), diagnostics(diagnostics),
      stream(lex(source, diagnostics)) {
  for (const Diagnostic &d : diagnostics.all())
    if (d.span.file == &source)
      linesWithErrors.insert(source.lineOf(d.span.begin));
}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

const Token &ParserCore::token(unsigned ahead) const {
  return stream.tokens[std::min(position + ahead, stream.tokens.size() - 1)];
}

std::string_view ParserCore::text(unsigned ahead) const {
  const Token &t = token(ahead);
  return source.text().substr(t.begin, t.end - t.begin);
}

bool ParserCore::isWord(std::string_view word, unsigned ahead) const {
  return kind(ahead) == Token::Identifier && text(ahead) == word;
}

bool ParserCore::lineEnded() const {
  return (token().startsLine && brackets == 0) || is(Token::EndOfFile);
}

void ParserCore::advance() {
  if (!is(Token::EndOfFile))
    ++position;
}

bool ParserCore::accept(Token::Kind k) {
  if (panic || !is(k))
    return false;
  advance();
  return true;
}

Span ParserCore::spanOf(const Token &t) const {
  return {&source, t.begin, t.end};
}

Span ParserCore::previous() const {
  return position ? spanOf(stream.tokens[position - 1]) : Span{&source, 0, 0};
}

Span ParserCore::missing() const {
  if (position && (token().startsLine || is(Token::EndOfFile)))
    return {&source, previous().end, previous().end};
  return here();
}

std::string ParserCore::found() const {
  constexpr size_t longestQuote = 40;
  if (is(Token::EndOfFile))
    return "the end of the file";
  if (position && token().startsLine)
    return "the end of the line";
  if (is(Token::String))
    return "a string";
  std::string_view word = text();
  return "`" +
         (word.size() <= longestQuote
              ? std::string(word)
              : std::string(word.substr(0, longestQuote)) + "...") +
         "`";
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

Diagnostic &ParserCore::error(Span span, std::string message) {
  if (!linesWithErrors.insert(source.lineOf(span.begin)).second) {
    discarded = {};
    return discarded;
  }
  return diagnostics.error(span, std::move(message));
}

Diagnostic &ParserCore::expected(std::string what) {
  if (panic) {
    discarded = {};
    return discarded;
  }
  panic = true;
  return error(missing(), "expected " + what + ", found " + found());
}

bool ParserCore::expect(Token::Kind k, std::string what) {
  if (accept(k))
    return true;
  expected(std::move(what));
  return false;
}

bool ParserCore::expectClose(Token::Kind k, Span open) {
  if (accept(k))
    return true;
  if (panic)
    return false;
  std::string close = k == Token::RightParen ? "`)`" : "`]`";
  std::string what =
      is(Token::EndOfFile) || token().startsLine ? close : "`,` or " + close;
  Diagnostic &d = expected(what);
  if (source.lineOf(open.begin) != source.lineOf(missing().begin) ||
      token().startsLine)
    d.note(open, "opened here");
  if (is(Token::Assign))
    d.hint("equality is written `==`");
  return false;
}

void ParserCore::fatal(Span span, std::string message, std::string hint) {
  if (panic && is(Token::EndOfFile))
    return;
  error(span, std::move(message)).hint(std::move(hint));
  position = stream.tokens.size() - 1;
  panic = true;
}

bool ParserCore::tooDeep() {
  // Each level costs a dozen frames at most, a few kilobytes with sanitizers.
  constexpr unsigned maxDepth = 200;
  if (depth <= maxDepth)
    return false;
  fatal(here(), "nested too deeply",
        "the limit is " + std::to_string(maxDepth) + " levels");
  return true;
}

ExprPtr ParserCore::bounded(ExprPtr node, unsigned height) {
  node->height = height;
  tallest = std::max(tallest, height);
  if (height > Expr::maxHeight) {
    fatal({&source, node->span.end, node->span.end},
          "this expression is too long", "give parts of it a name");
    return errorExpr();
  }
  return node;
}

bool ParserCore::leftmost() const {
  return token().begin == 0 || source.text()[token().begin - 1] == '\n';
}

bool ParserCore::atDeclaration() const {
  static constexpr std::string_view words[] = {"model", "fn", "train",
                                               "import"};
  return leftmost() &&
         (kind(1) == Token::Identifier || kind(1) == Token::String) &&
         !token(1).startsLine &&
         std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view word) { return isWord(word); });
}

void ParserCore::synchronize() {
  if (!panic)
    return;
  panic = false;

  // An error inside brackets: go behind them, if they do end in this block.
  size_t resume = position;
  if (unsigned open = brackets) {
    unsigned braces = 0;
    for (size_t i = position; i < stream.tokens.size() && open; ++i) {
      Token::Kind k = stream.tokens[i].kind;
      if (k == Token::LeftBrace)
        ++braces;
      else if (k == Token::RightBrace && braces-- == 0)
        break;
      else if (k == Token::LeftParen || k == Token::LeftBracket)
        ++open;
      else if ((k == Token::RightParen || k == Token::RightBracket) &&
               --open == 0)
        resume = i + 1;
    }
  }
  position = std::min(resume, stream.tokens.size() - 1);
  brackets = 0;

  // Then to the next line, or the end of the block, over any inner block.
  unsigned braces = 0;
  for (;; advance()) {
    if (is(Token::EndOfFile) || atDeclaration())
      return;
    if (braces == 0 && (token().startsLine || is(Token::Semicolon)) &&
        !is(Token::LeftBrace) && !is(Token::Else))
      return;
    if (is(Token::LeftBrace))
      ++braces;
    if (is(Token::RightBrace) && braces-- == 0)
      return;
  }
}

std::string ParserCore::takeDoc() const {
  const auto &comments = stream.comments;
  auto it = std::lower_bound(
      comments.begin(), comments.end(), position,
      [](const Comment &c, size_t index) { return c.nextToken < index; });
  std::string doc;
  for (; it != comments.end() && it->nextToken == position; ++it) {
    if (!it->isDoc || !it->ownLine)
      continue;
    std::string_view line =
        source.text().substr(it->begin + 3, it->end - it->begin - 3);
    if (!line.empty() && line[0] == ' ')
      line.remove_prefix(1);
    doc += doc.empty() ? "" : "\n";
    doc += line;
  }
  return doc;
}
