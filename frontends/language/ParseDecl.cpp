//===- ParseDecl.cpp - Declarations, parameters and types -----------------===//

#include "frontends/language/ParserCore.h"

#include <algorithm>

using namespace mapsto;
using namespace mapsto::ast;

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

std::unique_ptr<File> ParserCore::parseFile() {
  auto file = std::make_unique<File>();
  file->source = &source;
  while (!is(Token::EndOfFile) && !diagnostics.full()) {
    size_t before = position;
    if (DeclPtr decl = parseDecl())
      file->decls.push_back(std::move(decl));
    synchronize();
    if (position == before)
      advance();
  }
  return file;
}

ExprPtr ParserCore::parseWholeExpression() {
  ++brackets; // newlines mean nothing here
  ExprPtr expr = parseExpr();
  if (!panic && !is(Token::EndOfFile))
    expected("the end of the expression");
  return expr;
}

DeclPtr ParserCore::parseDecl() {
  if (accept(Token::Semicolon))
    return nullptr;
  starts.push_back(position);
  if (isWord("import"))
    return parseImport();
  if (isWord("model"))
    return parseModel();
  if (isWord("fn"))
    return parseFn();
  if (isWord("train"))
    return parseTrain();
  if (atKeyword("let") || atKeyword("const"))
    return parseTopLet();
  return unknownDecl();
}

/// Reports what stands where a declaration should, and guesses what was meant.
DeclPtr ParserCore::unknownDecl() {
  if (is(Token::RightBrace)) {
    error(here(), "this `}` closes nothing");
    advance();
    return nullptr;
  }
  bool wasIdentifier = is(Token::Identifier);
  std::string word(wasIdentifier ? text() : "");
  // `modle M() {`, not `x = 1`.
  bool likeDecl = wasIdentifier && kind(1) == Token::Identifier;
  panic = true;
  Diagnostic &d = error(here(), "expected `model`, `fn`, `train`, `let` or "
                                "`import`, found `" +
                                    std::string(text().substr(0, 40)) + "`");
  if (word == "def" || word == "func" || word == "function" || word == "fun")
    d.hint("a function is declared with `fn`");
  else if (word == "class" || word == "module" || word == "struct")
    d.hint("a model is declared with `model`");
  else if (word == "from" || word == "include" || word == "use")
    d.hint("a file is imported with `import \"path\"`");
  else if (kind(1) == Token::Assign)
    d.hint("a value of the whole file is declared with `let`");
  else if (likeDecl)
    d.hint(didYouMean(word, {"model", "fn", "train", "let", "import"}));
  // What follows belongs to it, up to the next line that is not indented.
  do
    advance();
  while (!is(Token::EndOfFile) &&
         (!token().startsLine || !leftmost() || is(Token::RightBrace)));
  return nullptr;
}

DeclPtr ParserCore::parseImport() {
  auto decl = std::make_unique<ImportDecl>(here());
  decl->doc = takeDoc();
  advance();
  decl->pathSpan = here();
  if (!is(Token::String)) {
    expected("the file to import, as a string")
        .hint("for example: import \"std/attention\"");
    return nullptr;
  }
  ExprPtr path = parseString();
  if (auto *string = as<StringExpr>(path))
    decl->path = string->value;
  decl->span = since(decl->span);
  expectStatementEnd();
  return decl;
}

DeclPtr ParserCore::parseTopLet() {
  auto decl = std::make_unique<LetDecl>(here());
  decl->doc = takeDoc();
  StmtPtr let = parseLet();
  expectStatementEnd();
  decl->span = let->span;
  decl->binding.reset(static_cast<LetStmt *>(let.release()));
  return decl;
}

//===----------------------------------------------------------------------===//
// Models, functions, training
//===----------------------------------------------------------------------===//

DeclPtr ParserCore::parseModel() {
  auto decl = std::make_unique<ModelDecl>(here());
  decl->doc = takeDoc();
  advance();
  decl->name = parseName("the model's name");
  if (is(Token::LeftParen))
    decl->params = parseParameters();
  decl->span = since(decl->span);
  if (continuesWith(Token::Arrow)) {
    expected("`{`").hint("a model holds its mapping: `{ (x: ...) -> (y: ...) "
                         "{ ... } }`");
    return decl;
  }
  decl->body = parseBlock(Context::ModelBody, "a model's body", decl.get());

  const Mapping *main = nullptr;
  for (const Mapping &mapping : decl->mappings) {
    if (mapping.name)
      continue;
    if (main)
      error(mapping.headSpan, "a model has only one mapping without a name")
          .note(main->headSpan, "the first one is here")
          .hint("a second one takes a name: `encode(x: ...) -> (...)`, called "
                "as `m.encode(x)`");
    else
      main = &mapping;
  }
  return decl;
}

DeclPtr ParserCore::parseFn() {
  auto decl = std::make_unique<FnDecl>(here());
  decl->doc = takeDoc();
  advance();
  decl->name = parseName("the function's name");
  decl->params = parseParameters();
  if (accept(Token::Arrow))
    decl->results = parseResults(/*needNames=*/false);
  decl->span = since(decl->span);
  if (is(Token::Colon) || is(Token::Assign)) {
    expected("`{`").hint(is(Token::Colon)
                             ? "results are declared with `->`"
                             : "a function's body stands between braces");
    return decl;
  }
  decl->body = parseBlock(Context::Body, "a function's body");
  return decl;
}

DeclPtr ParserCore::parseTrain() {
  auto decl = std::make_unique<TrainDecl>(here());
  decl->doc = takeDoc();
  advance();
  decl->name = parseName("the name of what is trained");
  if (is(Token::LeftParen))
    decl->params = parseParameters();
  decl->span = since(decl->span);
  Span open = here();
  if (!expect(Token::LeftBrace, "`{` to begin what is trained"))
    return decl;
  starts.push_back(position);
  decl->inputs = parseParameters();
  if (!panic)
    expect(Token::Arrow, "`->` and the loss");
  if (is(Token::LeftBrace))
    decl->lossBody = parseBlock(Context::Body, "the loss");
  else if (!panic)
    decl->loss = parseExpr();
  if (!panic)
    expectStatementEnd();

  // The settings are the rest of the block, as if it began here.
  decl->settings.span = open;
  synchronize();
  while (!is(Token::RightBrace) && !is(Token::EndOfFile) && !atDeclaration()) {
    size_t before = position;
    if (StmtPtr statement = parseStatement(Context::Train))
      decl->settings.statements.push_back(std::move(statement));
    synchronize();
    if (position == before)
      advance();
  }
  if (!accept(Token::RightBrace))
    expected("`}`").note(open, "the `{` that is not closed");
  decl->settings.span = since(open);
  return decl;
}

/// A mapping begins with `(` or `name(`; what tells it from an assignment or a
/// call is the `->` behind the parentheses, or the `:` inside.
bool ParserCore::atMapping() const {
  size_t at = position;
  const auto &tokens = stream.tokens;
  if (tokens[at].kind == Token::Identifier)
    ++at;
  if (at >= tokens.size() || tokens[at].kind != Token::LeftParen ||
      (at > position && tokens[at].startsLine))
    return false;
  if (tokens[at + 1].kind == Token::Identifier &&
      tokens[at + 2].kind == Token::Colon)
    return true;
  unsigned open = 0;
  for (; at < tokens.size(); ++at) {
    Token::Kind k = tokens[at].kind;
    if (k == Token::LeftParen)
      ++open;
    else if (k == Token::RightParen && --open == 0)
      return tokens[at + 1].kind == Token::Arrow;
    else if (k == Token::LeftBrace || k == Token::RightBrace)
      return false;
  }
  return false;
}

Mapping ParserCore::parseMapping() {
  Mapping mapping;
  starts.push_back(position);
  mapping.doc = takeDoc();
  Span start = here();
  if (is(Token::Identifier))
    mapping.name = parseName("the mapping's name");
  mapping.params = parseParameters();
  if (!panic && !is(Token::Arrow))
    expected("`->` and the results")
        .hint("for example: (x: f32[B, D]) -> (y: f32[B])");
  accept(Token::Arrow);
  if (!panic)
    mapping.results = parseResults(/*needNames=*/false);
  mapping.headSpan = since(start);
  mapping.body = parseBlock(Context::Body, "a mapping's body");
  mapping.span = since(start);
  return mapping;
}

//===----------------------------------------------------------------------===//
// Parameters and results
//===----------------------------------------------------------------------===//

Name ParserCore::parseName(std::string what) {
  Name name;
  if (panic)
    return name;
  if (!is(Token::Identifier)) {
    bool reserved = !token().startsLine && !text().empty() &&
                    (isIdentifier(std::string(text()) + "_"));
    Diagnostic &d = expected(std::move(what));
    if (reserved)
      d.hint("`" + std::string(text()) + "` is a reserved word");
    return name;
  }
  name = {std::string(text()), here()};
  advance();
  return name;
}

std::vector<Parameter> ParserCore::parseParameters() {
  std::vector<Parameter> params;
  if (panic)
    return params;
  Span open = here();
  if (!expect(Token::LeftParen, "`(` and the parameters"))
    return params;
  ++brackets;
  parseCommaList(Token::RightParen, open,
                 [&] { params.push_back(parseParameter()); });
  if (!panic)
    --brackets;
  checkParameters(params);
  return params;
}

void ParserCore::checkParameters(const std::vector<Parameter> &params) {
  for (size_t i = 0; i < params.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (params[i].name && params[i].name.text == params[j].name.text) {
        error(params[i].name.span,
              "there are two parameters named `" + params[i].name.text + "`")
            .note(params[j].name.span, "the first one is here");
        return;
      }
}

Parameter ParserCore::parseParameter() {
  Parameter param;
  param.doc = takeDoc();
  Span start = here();
  param.name = parseName("a parameter's name");
  if (accept(Token::Colon))
    param.type = parseType(/*mayBeOptional=*/true);
  else if (is(Token::LeftBracket))
    expected("`:` before the type of `" + param.name.text + "`")
        .hint("for example: " + param.name.text + ": f32[B, D]");
  else if (is(Token::Identifier) && !token().startsLine &&
           parseTypeName(param.name.text))
    expected("`,` or `)`")
        .hint("the name comes first: `" + std::string(text()) + ": " +
              param.name.text + "`");
  if (accept(Token::Assign))
    param.value = parseExpr();
  param.span = since(start);
  return param;
}

std::vector<Result> ParserCore::parseResults(bool needNames) {
  std::vector<Result> results;
  auto parseResult = [&] {
    Result result;
    result.doc = takeDoc();
    Span start = here();
    if (kind(1) == Token::Colon || needNames) {
      result.name = parseName("a result's name");
      if (!panic)
        expect(Token::Colon, "`:` and the type of the result");
    } else if (is(Token::Identifier) && !parseTypeName(text()) &&
               (kind(1) == Token::Comma || kind(1) == Token::RightParen)) {
      expected("a result's type")
          .hint("a result is `name: type`, or a type alone");
    }
    result.type = parseType(/*mayBeOptional=*/false);
    result.span = since(start);
    results.push_back(std::move(result));
  };

  if (!is(Token::LeftParen)) {
    parseResult();
    return results;
  }
  Span open = here();
  advance();
  ++brackets;
  parseCommaList(Token::RightParen, open, parseResult);
  if (!panic)
    --brackets;
  for (size_t i = 0; i < results.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (results[i].name && results[i].name.text == results[j].name.text)
        error(results[i].name.span,
              "there are two results named `" + results[i].name.text + "`")
            .note(results[j].name.span, "the first one is here");
  if (!panic && results.empty())
    error(since(open), "a mapping needs at least one result");
  return results;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

namespace {
struct ForeignType {
  std::string_view name;
  const char *ours;
};
} // namespace

static constexpr ForeignType foreignTypes[] = {
    {"float32", "f32"},   {"float16", "f16"}, {"half", "f16"},
    {"bfloat16", "bf16"}, {"float64", "f64"}, {"double", "f64"},
    {"int32", "i32"},     {"int64", "i64"},   {"long", "i64"},
    {"int8", "i8"},       {"int16", "i16"},   {"short", "i16"},
    {"uint8", "u8"},      {"byte", "u8"},     {"uint16", "u16"},
    {"uint32", "u32"},    {"uint64", "u64"},  {"str", "string"},
    {"boolean", "bool"}};

static std::string hintForType(std::string_view name) {
  for (const ForeignType &foreign : foreignTypes)
    if (name == foreign.name)
      return "did you mean `" + std::string(foreign.ours) + "`?";
  if (name == "Tensor" || name == "tensor")
    return "a tensor's type is its element and its dimensions: f32[B, T]";
  // Short names are all alike: only letters in another case count.
  std::string lower;
  for (char c : name)
    lower += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  if (parseTypeName(lower))
    return "did you mean `" + lower + "`?";
  return "the types are f32, f16, bf16, f64, i32, i64, i16, i8, u8, u16, "
         "u32, u64 and bool, and, fixed when compiling, int, float, bool and "
         "string";
}

TypeExpr ParserCore::parseType(bool mayBeOptional) {
  TypeExpr type;
  type.span = type.elementSpan = here();
  if (panic)
    return type;
  if (!is(Token::Identifier)) {
    Diagnostic &d = expected("a type");
    if (is(Token::LeftBracket) && !token().startsLine)
      d.hint("dimensions follow an element type: f32[B, T]");
    return type;
  }
  if (auto known = parseTypeName(text())) {
    type.element = *known;
  } else {
    error(here(), "unknown type `" + std::string(text()) + "`")
        .hint(hintForType(text()));
  }
  advance();

  Span open = here();
  if (continuesWith(Token::LeftParen)) {
    expected("`[` and the dimensions").hint("for example: f32[B, T]");
    return type;
  }
  if (!lineEnded() && accept(Token::LeftBracket)) {
    type.hasDims = true;
    ++brackets;
    parseCommaList(Token::RightBracket, open, [&] {
      Dim dim;
      dim.span = here();
      if (accept(Token::Ellipsis)) {
        if (!type.dims.empty())
          error(dim.span, "`...` can only be the first dimension");
      } else if (is(Token::DotDot)) {
        expected("a dimension")
            .hint("any number of dimensions is written `...`");
      } else {
        dim.size = parseExpr();
        dim.span = since(dim.span);
      }
      type.dims.push_back(std::move(dim));
    });
    if (!panic)
      --brackets;
  }
  if (!lineEnded() && is(Token::Question)) {
    if (!mayBeOptional)
      error(here(), "only an input can be optional");
    accept(Token::Question);
    type.isOptional = true;
  }
  type.span = since(type.span);
  return type;
}

namespace {
struct TypeSpelling {
  std::string_view text;
  TypeName type;
};
} // namespace

static constexpr TypeSpelling typeSpellings[] = {
    {"f32", TypeName::F32},     {"f16", TypeName::F16},
    {"bf16", TypeName::BF16},   {"f64", TypeName::F64},
    {"i32", TypeName::I32},     {"i64", TypeName::I64},
    {"i8", TypeName::I8},       {"i16", TypeName::I16},
    {"u8", TypeName::U8},       {"u16", TypeName::U16},
    {"u32", TypeName::U32},     {"u64", TypeName::U64},
    {"bool", TypeName::Bool},   {"int", TypeName::Int},
    {"float", TypeName::Float}, {"string", TypeName::String}};

std::string_view ast::spelling(TypeName type) {
  for (const TypeSpelling &entry : typeSpellings)
    if (entry.type == type)
      return entry.text;
  return "";
}

std::optional<TypeName> ast::parseTypeName(std::string_view text) {
  for (const TypeSpelling &entry : typeSpellings)
    if (entry.text == text)
      return entry.type;
  return std::nullopt;
}
