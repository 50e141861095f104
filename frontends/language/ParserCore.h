//===- ParserCore.h - The recursive-descent parser, inside ----------------===//
//
// Shared by ParseDecl.cpp, ParseStmt.cpp and ParseExpr.cpp; users want
// Parser.h. Each grammar rule of GRAMMAR.md is a method.
//
// Errors: the first error of a statement puts the parser into `panic`, where
// every rule returns at once; `parseBlock` and `parseFile` then skip to the
// next statement and go on. Bounds: `depth` limits recursion and `height` the
// trees that loops build, so that no input overflows the stack, here or later.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_PARSERCORE_H
#define MAPSTO_FRONTENDS_LANGUAGE_PARSERCORE_H

#include "frontends/language/AST.h"
#include "frontends/language/Lexer.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

namespace mapsto {

class ParserCore {
public:
  ParserCore(const SourceFile &source, DiagnosticEngine &diagnostics);

  std::unique_ptr<ast::File> parseFile();
  ast::ExprPtr parseWholeExpression();

  const TokenStream &tokenStream() const { return stream; }
  /// Indices of the tokens where a declaration, statement, mapping or clause
  /// of an error-free file begins, in order. The formatter's lines.
  const std::vector<uint32_t> &statementStarts() const { return starts; }

private:
  /// What a block is for: decides which statements may stand in it.
  enum class Context { ModelBody, Body, LoopBody, Inner, Train };

  // Tokens.
  const Token &token(unsigned ahead = 0) const;
  Token::Kind kind(unsigned ahead = 0) const { return token(ahead).kind; }
  std::string_view text(unsigned ahead = 0) const;
  bool is(Token::Kind k) const { return kind() == k; }
  /// An identifier spelled `word`; for the words that are not reserved.
  bool isWord(std::string_view word, unsigned ahead = 0) const;
  /// The current token stands on a new line, outside brackets.
  bool lineEnded() const;
  bool continuesWith(Token::Kind k) const { return is(k) && !lineEnded(); }
  void advance();
  bool accept(Token::Kind k);
  Span spanOf(const Token &t) const;
  Span here() const { return spanOf(token()); }
  Span previous() const;
  Span since(Span start) const { return start.to(previous()); }
  /// Where something missing belongs: here, or the end of the line before.
  Span missing() const;
  /// "`x`", "the end of the line", ...
  std::string found() const;

  // Errors.
  Diagnostic &error(Span span, std::string message);
  Diagnostic &expected(std::string what);
  bool expect(Token::Kind k, std::string what);
  /// The token that closes `open`, or an error that points to `open`.
  bool expectClose(Token::Kind k, Span open);
  void fatal(Span span, std::string message, std::string hint);
  /// Ends a panic at the start of the next statement.
  void synchronize();
  /// `model`, `fn`, ... at the very left: a new declaration for sure.
  bool atDeclaration() const;
  /// The current token stands at the very left.
  bool leftmost() const;
  std::string takeDoc() const;

  // Declarations.
  ast::DeclPtr parseDecl();
  ast::DeclPtr parseImport();
  ast::DeclPtr parseModel();
  ast::DeclPtr parseFn();
  ast::DeclPtr parseTrain();
  ast::DeclPtr parseTopLet();
  ast::DeclPtr unknownDecl();
  std::vector<ast::Parameter> parseParameters();
  ast::Parameter parseParameter();
  std::vector<ast::Result> parseResults(bool needNames);
  ast::Mapping parseMapping();
  bool atMapping() const;
  ast::TypeExpr parseType(bool mayBeOptional);
  ast::Name parseName(std::string what);

  // Statements.
  ast::Block parseBlock(Context context, std::string what,
                        ast::ModelDecl *model = nullptr);
  ast::StmtPtr parseStatement(Context context);
  ast::StmtPtr parseLet();
  ast::ExprPtr parseValue();
  ast::StmtPtr parseParam();
  ast::StmtPtr parseState();
  ast::StmtPtr parseIf(Context context);
  ast::StmtPtr parseFor(Context context);
  ast::StmtPtr parseReturn(Context context);
  ast::StmtPtr parseYield(Context context);
  ast::StmtPtr parseUntil(Context context);
  ast::StmtPtr parseAssignOrExpr(Context context);
  void expectStatementEnd();
  void checkLoopEnd(const ast::Block &body, bool isRepeat);
  /// Reports a target that cannot be assigned to.
  bool isTarget(const ast::Expr &target);
  /// `word`, and a name behind it on the same line.
  bool atKeyword(std::string_view word) const;
  void checkParameters(const std::vector<ast::Parameter> &params);

  // Expressions.
  ast::ExprPtr parseExpr();
  ast::ExprPtr parseBinary(int minPrecedence);
  ast::ExprPtr parseUnary();
  ast::ExprPtr parsePower();
  ast::ExprPtr parsePostfix();
  ast::ExprPtr parsePrimary();
  ast::ExprPtr parseNumber();
  ast::ExprPtr parseString();
  ast::ExprPtr parseParenthesized();
  ast::ExprPtr parseList();
  ast::ExprPtr parseIterable();
  ast::ExprPtr parseTarget(std::string what);
  ast::ExprPtr parseFill();
  ast::ExprPtr notAnExpression();
  ast::ExprPtr parseAttend();
  ast::AttendClause parseClause();
  ast::ExprPtr parseScan();
  ast::ExprPtr parseRepeat();
  ast::Carry parseCarry(ast::ExprPtr target, Span start);
  /// `; name = value, ...` at the end of a loop's head.
  std::vector<ast::Argument> parseOptions(Token::Kind close, Span open);
  ast::ExprPtr parseCall(ast::ExprPtr callee, Span start);
  ast::ExprPtr parseIndex(ast::ExprPtr base, Span start);
  ast::Subscript parseSubscript();
  std::vector<ast::Argument> parseArguments();
  ast::Argument parseArgument();
  void checkArguments(const std::vector<ast::Argument> &args);
  /// Items up to `close`, separated by commas; one may trail.
  void parseCommaList(Token::Kind close, Span open,
                      const std::function<void()> &item);
  ast::ExprPtr errorExpr();

  template <typename T> std::unique_ptr<T> make(Span span) const {
    return std::make_unique<T>(span);
  }
  /// Closes `node` at the previous token, as tall as its tallest child and one.
  template <typename T>
  ast::ExprPtr finish(std::unique_ptr<T> node, Span start,
                      std::initializer_list<const ast::Expr *> children = {}) {
    node->span = since(start);
    unsigned height = 1;
    for (const ast::Expr *child : children)
      height = std::max(height, child->height + 1);
    return bounded(std::move(node), height);
  }
  ast::ExprPtr bounded(ast::ExprPtr node, unsigned height);

  /// Measures the tallest expression parsed during its life: the height of a
  /// node whose children are many, or stand in blocks.
  struct Measure {
    explicit Measure(ParserCore &parser)
        : parser(parser), outer(std::exchange(parser.tallest, 0)) {}
    ~Measure() { parser.tallest = std::max(parser.tallest, outer); }
    ast::ExprPtr finish(ast::ExprPtr node, Span start,
                        const ast::Expr *extra = nullptr) {
      node->span = parser.since(start);
      unsigned height = std::max(parser.tallest, extra ? extra->height : 0);
      return parser.bounded(std::move(node), height + 1);
    }
    ParserCore &parser;
    unsigned outer;
  };

  /// Counts one level of recursion.
  struct Nesting {
    explicit Nesting(ParserCore &parser) : parser(parser) { ++parser.depth; }
    ~Nesting() { --parser.depth; }
    ParserCore &parser;
  };
  bool tooDeep();

  const SourceFile &source;
  DiagnosticEngine &diagnostics;
  TokenStream stream;
  std::vector<uint32_t> starts;
  size_t position = 0;
  /// Open `(` and `[` since the last `{`: newlines mean nothing inside.
  unsigned brackets = 0;
  unsigned depth = 0;
  /// The tallest expression finished in the innermost block or bracket pair.
  unsigned tallest = 0;
  bool panic = false;
  /// A second error on a line is nearly always caused by the first.
  std::set<unsigned> linesWithErrors;
  Diagnostic discarded;
  /// The first block whose `}` is not indented like the line of its `{`.
  Span suspect;
};

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_PARSERCORE_H
