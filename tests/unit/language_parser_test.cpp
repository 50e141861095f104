// The parser: what it makes of each construct, and that no input hurts it.

#include "frontends/language/Lexer.h"
#include "frontends/language/Parser.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

using namespace mapsto;
using namespace mapsto::ast;

namespace {

//===----------------------------------------------------------------------===//
// A tree as text, to compare with
//===----------------------------------------------------------------------===//

std::string show(const Expr *e);

template <typename List> std::string showAll(const List &list) {
  std::string out;
  for (const auto &e : list)
    out += (out.empty() ? "" : " ") + show(e.get());
  return out;
}

std::string show(const std::vector<Argument> &args) {
  std::string out;
  for (const Argument &a : args)
    out += (out.empty() ? "" : " ") +
           (a.name ? a.name.text + "=" : std::string()) + show(a.value.get());
  return out;
}

std::string show(const Subscript &s) {
  auto part = [](const ExprPtr &e) { return e ? show(e.get()) : ""; };
  switch (s.kind) {
  case Subscript::Kind::Index:
    return show(s.index.get());
  case Subscript::Kind::Slice:
    return part(s.start) + ":" + part(s.stop) + ":" + part(s.step);
  case Subscript::Kind::Ellipsis:
    return "...";
  case Subscript::Kind::NewAxis:
    return "new";
  }
  return "";
}

std::string show(const Expr *e) {
  if (!e)
    return "null";
  if (auto *x = as<IntExpr>(e))
    return std::to_string(x->value);
  if (auto *x = as<FloatExpr>(e)) {
    std::ostringstream out;
    out << x->value;
    return out.str();
  }
  if (auto *x = as<StringExpr>(e))
    return '"' + x->value + '"';
  if (auto *x = as<BoolExpr>(e))
    return x->value ? "true" : "false";
  if (auto *x = as<NameExpr>(e))
    return x->name;
  if (auto *x = as<UnaryExpr>(e))
    return std::string(x->op == UnaryOp::Not ? "(! " : "(- ") +
           show(x->operand.get()) + ")";
  if (auto *x = as<BinaryExpr>(e))
    return "(" + std::string(spelling(x->op)) + " " + show(x->lhs.get()) + " " +
           show(x->rhs.get()) + ")";
  if (auto *x = as<ConditionalExpr>(e))
    return "(if " + show(x->condition.get()) + " " + show(x->thenValue.get()) +
           " " + show(x->elseValue.get()) + ")";
  if (auto *x = as<CallExpr>(e))
    return show(x->callee.get()) + "(" + show(x->args) + ")";
  if (auto *x = as<IndexExpr>(e)) {
    std::string out = show(x->base.get()) + "[";
    for (const Subscript &s : x->subscripts)
      out += (&s == &x->subscripts[0] ? "" : ", ") + show(s);
    return out + "]";
  }
  if (auto *x = as<MemberExpr>(e))
    return show(x->base.get()) + "." + x->member.text;
  if (auto *x = as<TupleExpr>(e))
    return "(tuple " + showAll(x->elements) + ")";
  if (auto *x = as<ListExpr>(e))
    return "(list " + showAll(x->elements) + ")";
  if (auto *x = as<ComprehensionExpr>(e))
    return "(each " + show(x->element.get()) + " " + show(x->target.get()) +
           " " + show(x->iterable.get()) + " " + show(x->condition.get()) + ")";
  if (auto *x = as<RangeExpr>(e))
    return show(x->begin.get()) + ".." + show(x->end.get());
  if (auto *x = as<FillExpr>(e))
    return "(fill" + std::to_string(int(x->what)) + " " + showAll(x->shape) +
           " / " + show(x->args) + ")";
  return e->kind == Expr::Kind::None ? "None" : "?";
}

/// The expression's tree, or the messages where it has errors.
std::string parsed(std::string text) {
  SourceFile source("text", std::move(text));
  DiagnosticEngine diagnostics;
  ExprPtr expr = parseExpression(source, diagnostics);
  return expr ? show(expr.get()) : diagnostics.render();
}

/// A parsed file that is expected to have no errors.
struct Parsed {
  explicit Parsed(std::string text) : source("text", std::move(text)) {
    DiagnosticEngine diagnostics;
    file = parse(source, diagnostics);
    EXPECT_FALSE(diagnostics.hasErrors()) << diagnostics.render();
  }
  template <typename T> const T *decl(size_t i) const {
    return i < file->decls.size() ? as<T>(file->decls[i]) : nullptr;
  }
  SourceFile source;
  std::unique_ptr<File> file;
};

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

TEST(Expressions, Precedence) {
  EXPECT_EQ(parsed("a + b * c"), "(+ a (* b c))");
  EXPECT_EQ(parsed("a - b - c"), "(- (- a b) c)");
  EXPECT_EQ(parsed("a @ b * c % d / e"), "(/ (% (* (@ a b) c) d) e)");
  EXPECT_EQ(parsed("-x ** 2"), "(- (** x 2))");
  EXPECT_EQ(parsed("2 ** -x ** y"), "(** 2 (- (** x y)))");
  EXPECT_EQ(parsed("-a * b"), "(* (- a) b)");
  EXPECT_EQ(parsed("j <= i && i - j < 256"), "(&& (<= j i) (< (- i j) 256))");
  EXPECT_EQ(parsed("a or b and not c == d"), "(|| a (&& b (! (== c d))))");
  EXPECT_EQ(parsed("!a == b"), "(== (! a) b)");
  EXPECT_EQ(parsed("(a < b) == c"), "(== (< a b) c)");
  EXPECT_EQ(parsed("a if c else b if d else e"), "(if c a (if d b e))");
}

TEST(Expressions, Literals) {
  EXPECT_EQ(parsed("1_000"), "1000");
  EXPECT_EQ(parsed("1e-3"), "0.001");
  EXPECT_EQ(parsed("2."), "2");
  EXPECT_EQ(parsed("1_0.2_5e1"), "102.5");
  EXPECT_EQ(parsed("inf"), "inf");
  EXPECT_EQ(parsed("1e-999"), "0");
  EXPECT_EQ(parsed(R"("a\n\"b\\")"), "\"a\n\"b\\\"");
  EXPECT_EQ(parsed("9223372036854775807"), "9223372036854775807");
}

TEST(Expressions, Postfix) {
  EXPECT_EQ(parsed("m.encode(x, n = 2).out[0](y)"),
            "m.encode(x n=2).out[0](y)");
  EXPECT_EQ(parsed("x[:, -1, ..., None, ::2, 1:, :n - 1, 1:2:3, ids]"),
            "x[::, (- 1), ..., new, ::2, 1::, :(- n 1):, 1:2:3, ids]");
  EXPECT_EQ(parsed("m.in.for"), "m.in.for");
  EXPECT_EQ(parsed("f(\n  a,\n  b,\n)"), "f(a b)");
}

TEST(Expressions, Collections) {
  EXPECT_EQ(parsed("()"), "(tuple )");
  EXPECT_EQ(parsed("(a,)"), "(tuple a)");
  EXPECT_EQ(parsed("(a)"), "a");
  EXPECT_EQ(parsed("[1, (a, b), []]"), "(list 1 (tuple a b) (list ))");
  EXPECT_EQ(parsed("[Block(d) for i in 0..n if i % 2 == 0]"),
            "(each Block(d) i 0..n (== (% i 2) 0))");
  EXPECT_EQ(parsed("[a for (i, a) in pairs]"),
            "(each a (tuple i a) pairs null)");
  EXPECT_EQ(parsed("zeros[B, 2 * H]"), "(fill0 B (* 2 H) / )");
  EXPECT_EQ(parsed("full[B](inf, dtype = f16)"), "(fill2 B / inf dtype=f16)");
  EXPECT_EQ(parsed("ones"), "ones");
}

//===----------------------------------------------------------------------===//
// Declarations and statements
//===----------------------------------------------------------------------===//

TEST(Parser, Model) {
  Parsed p(R"(
import "std/attention"

/// First line.
/// Second.
model M(n, bias = true, k: int = 2) {
  let d = n / k
  /// the weight
  param W: f32[n, 2 * n] = "in_proj.weight"
  state cache: f32[B, S, n]
  layers = [Block(d) for i in 0..k]
  for i in 0..k { blocks[i] = Block(d) }
  if bias { b = Bias(n) } else if k > 2 { b = None } else { b = Zero(n) }

  (x: f32[B, T, n], h: f32[B, n]?) -> (y: f32[B, T, n], z: f32[]) {
    (y, _) = f(x)
    cache[:, pos, :] = y
    z: f32[] = 3.0; w = z
  }

  encode(x: i64[B]) -> f32[B] { x }
}
)");
  auto *import = p.decl<ImportDecl>(0);
  ASSERT_TRUE(import);
  EXPECT_EQ(import->path, "std/attention");
  auto *model = p.decl<ModelDecl>(1);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->name.text, "M");
  EXPECT_EQ(model->doc, "First line.\nSecond.");
  ASSERT_EQ(model->params.size(), 3u);
  EXPECT_FALSE(model->params[0].type || model->params[0].value);
  EXPECT_EQ(show(model->params[1].value.get()), "true");
  EXPECT_EQ(model->params[2].type->element, TypeName::Int);

  const auto &body = model->body.statements;
  ASSERT_EQ(body.size(), 6u);
  EXPECT_TRUE(as<LetStmt>(body[0]));
  auto *param = as<ParamStmt>(body[1]);
  ASSERT_TRUE(param);
  EXPECT_EQ(param->doc, "the weight");
  EXPECT_EQ(show(param->type.dims[1].size.get()), "(* 2 n)");
  EXPECT_EQ(show(param->alias.get()), "\"in_proj.weight\"");
  EXPECT_TRUE(as<StateStmt>(body[2]));
  auto *loop = as<ForStmt>(body[4]);
  ASSERT_TRUE(loop);
  EXPECT_EQ(show(loop->iterable.get()), "0..k");
  auto *choice = as<IfStmt>(body[5]);
  ASSERT_TRUE(choice);
  ASSERT_EQ(choice->branches.size(), 3u);
  EXPECT_FALSE(choice->branches[2].condition);

  ASSERT_EQ(model->mappings.size(), 2u);
  const Mapping &main = model->mappings[0];
  EXPECT_FALSE(main.name);
  EXPECT_TRUE(main.params[1].type->isOptional);
  EXPECT_EQ(main.results[1].name.text, "z");
  EXPECT_TRUE(main.results[1].type.hasDims);
  EXPECT_EQ(main.body.statements.size(), 4u);
  auto *slice = as<AssignStmt>(main.body.statements[1]);
  ASSERT_TRUE(slice);
  EXPECT_EQ(show(slice->target.get()), "cache[::, pos, ::]");
  EXPECT_EQ(model->mappings[1].name.text, "encode");
  EXPECT_FALSE(model->mappings[1].results[0].name);
}

TEST(Parser, Attend) {
  Parsed p(R"(
fn f(q: f32[..., D]) -> f32[..., D] {
  attend(q, k, v, normalizer = softmax) {
    score(q, k) = V(tanh(q + k)); mask(b, h, i, j) = j <= i
    modify(s, b, h, i, j) {
      t = s / 30
      30 * tanh(t)
    }
  }
}
)");
  auto *fn = p.decl<FnDecl>(0);
  ASSERT_TRUE(fn);
  EXPECT_TRUE(fn->params[0].type->dims[0].isEllipsis());
  auto *value = as<ExprStmt>(fn->body.statements[0]);
  ASSERT_TRUE(value);
  auto *attend = as<AttendExpr>(value->value);
  ASSERT_TRUE(attend);
  EXPECT_EQ(show(attend->args), "q k v normalizer=softmax");
  ASSERT_EQ(attend->clauses.size(), 3u);
  EXPECT_EQ(attend->clauses[0].kind, AttendClause::Kind::Score);
  EXPECT_EQ(show(attend->clauses[1].value.get()), "(<= j i)");
  EXPECT_EQ(attend->clauses[2].params.size(), 5u);
  ASSERT_TRUE(attend->clauses[2].body);
  EXPECT_EQ(attend->clauses[2].body->statements.size(), 2u);
}

TEST(Parser, Loops) {
  Parsed p(R"(
fn f(x: f32[B, T, D]) -> f32[B, D] {
  (h, out) = scan(x_t in x, t in 0..T, s = zeros[B, D], (h, c) = (h0, c0);
                  reverse = true, lengths = n, axis = 1) {
    s = s + x_t
    yield s, h
  }
  (token, logits) = repeat(i in 0..n, token = start) {
    yield logits
    until all(token == 2)
  }
  repeat(2 * T) { }
  return out, token
}
)");
  auto *fn = p.decl<FnDecl>(0);
  ASSERT_TRUE(fn);
  ASSERT_EQ(fn->body.statements.size(), 4u);
  auto *first = as<AssignStmt>(fn->body.statements[0]);
  ASSERT_TRUE(first);
  auto *scan = as<ScanExpr>(first->value);
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->inputs.size(), 2u);
  EXPECT_EQ(show(scan->inputs[1].sequence.get()), "0..T");
  EXPECT_EQ(show(scan->carries[1].target.get()), "(tuple h c)");
  EXPECT_EQ(show(scan->options), "reverse=true lengths=n axis=1");
  auto *yield = as<YieldStmt>(scan->body.statements[1]);
  ASSERT_TRUE(yield);
  EXPECT_EQ(yield->values.size(), 2u);

  auto *second = as<AssignStmt>(fn->body.statements[1]);
  ASSERT_TRUE(second);
  auto *repeat = as<RepeatExpr>(second->value);
  ASSERT_TRUE(repeat);
  EXPECT_EQ(repeat->index.text, "i");
  EXPECT_EQ(show(repeat->count.get()), "0..n");
  EXPECT_TRUE(as<UntilStmt>(repeat->body.statements[1]));
  auto *result = as<ReturnStmt>(fn->body.statements[3]);
  ASSERT_TRUE(result);
  EXPECT_EQ(show(result->value.get()), "(tuple out token)");
}

TEST(Parser, Train) {
  Parsed p(R"(
train NextNumber(model = Seq2Seq(1, 16, 1)) {
  (x: f32[B, T, 1], target: f32[B, 1]) -> mse(model(x), target)
  optimizer = adam(lr = 1e-3)
}
let eps = 1e-5
)");
  auto *train = p.decl<TrainDecl>(0);
  ASSERT_TRUE(train);
  EXPECT_EQ(train->inputs.size(), 2u);
  EXPECT_EQ(show(train->loss.get()), "mse(model(x) target)");
  EXPECT_EQ(train->settings.statements.size(), 1u);
  auto *let = p.decl<LetDecl>(1);
  ASSERT_TRUE(let);
  EXPECT_EQ(show(let->binding->value.get()), "1e-05");
}

TEST(Parser, WordsThatAreKeywordsOnlyInPlace) {
  Parsed p(R"(
fn f(state: f32[B], model: f32[B], param: f32[B], scan: f32[B]) -> f32[B] {
  state = model + param
  attend = scan * state
  let = 3
  train = let
  attend
}
)");
  auto *fn = p.decl<FnDecl>(0);
  ASSERT_TRUE(fn);
  EXPECT_EQ(fn->body.statements.size(), 5u);
}

TEST(Parser, LinesContinue) {
  Parsed p("fn f(x: f32[B])\n  -> f32[B]\n{\n  y =\n    x +\n    1\n  z = (x\n"
           "    + 1)\n  y\n  -z\n}\n");
  auto *fn = p.decl<FnDecl>(0);
  ASSERT_TRUE(fn);
  EXPECT_EQ(fn->body.statements.size(), 4u);
}

TEST(Parser, Spans) {
  Parsed p("let a = f(x) + (b)\n");
  auto *let = p.decl<LetDecl>(0);
  ASSERT_TRUE(let);
  auto *sum = as<BinaryExpr>(let->binding->value);
  ASSERT_TRUE(sum);
  EXPECT_EQ(sum->span.text(), "f(x) + (b)");
  EXPECT_EQ(sum->lhs->span.text(), "f(x)");
  EXPECT_EQ(sum->rhs->span.text(), "(b)");
  EXPECT_EQ(sum->opSpan.text(), "+");
}

/// Every example of GRAMMAR.md is a file that parses.
TEST(Parser, GrammarExamples) {
  std::ifstream in(MAPSTO_SOURCE_DIR "/frontends/language/GRAMMAR.md");
  std::stringstream buffer;
  buffer << in.rdbuf();
  std::string text = buffer.str();
  const std::string fence = "```mapsto\n";
  unsigned count = 0;
  for (size_t at = text.find(fence); at != std::string::npos;
       at = text.find(fence, at)) {
    at += fence.size();
    Parsed p(text.substr(at, text.find("```", at) - at));
    ++count;
  }
  EXPECT_GE(count, 9u);
}

//===----------------------------------------------------------------------===//
// Robustness
//===----------------------------------------------------------------------===//

/// Parses, in bounded time and with a bounded number of messages.
void parseQuickly(std::string text) {
  SourceFile source("garbage", std::move(text));
  DiagnosticEngine diagnostics;
  auto begin = std::chrono::steady_clock::now();
  std::unique_ptr<File> file = parse(source, diagnostics);
  std::string messages = diagnostics.render();
  file.reset();
  std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(diagnostics.all().size(), DiagnosticEngine::maxErrors);
  EXPECT_LT(messages.size(), 50'000u);
#if !__has_feature(address_sanitizer)
  EXPECT_LT(time.count(), 1.5);
#endif
}

TEST(Robustness, TenMegabytesOfGarbage) {
  constexpr size_t size = 10'000'000;
  std::mt19937 random(1);
  std::string bytes(size, '\0'), printable(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = char(random());
    printable[i] = char(' ' + random() % 95);
  }
  parseQuickly(bytes);
  parseQuickly(printable);

  for (std::string unit : {"(",
                           "[",
                           "{",
                           "a(",
                           "a[",
                           "a.",
                           "- ",
                           "!",
                           "not ",
                           "a + ",
                           "a ** ",
                           "a if b else ",
                           "if a {",
                           "a\n",
                           "\"",
                           "a = (\n",
                           "fn f(x",
                           "((\n",
                           "let a = (1, ",
                           "model M() {\n(",
                           "attend(a) {score(",
                           "for i in ",
                           "scan(x in x) {",
                           "(x: f32[",
                           "{\n",
                           "}\n",
                           "\n",
                           "// x\n",
                           "/// x\n",
                           ";",
                           "a = 1;",
                           "f(x)(",
                           "0..",
                           "\xF0\x9F\x98\x80",
                           "\xFF",
                           "é ",
                           "1 "}) {
    std::string text = "fn f() {\n y = ";
    while (text.size() < size / 10)
      text += unit;
    parseQuickly(text);
    parseQuickly(text.substr(14));
    parseQuickly("model M(a = " + text);
  }
}

TEST(Robustness, TallTrees) {
  std::string sum = "let a = 1";
  for (int i = 0; i < 400; ++i)
    sum += " + 1";
  EXPECT_TRUE(Parsed(sum + "\n").decl<LetDecl>(0));
  std::string calls = "let a = f";
  for (int i = 0; i < 100'000; ++i)
    calls += "(1)";
  parseQuickly(calls);
}

TEST(Robustness, EveryPrefixOfAModel) {
  std::string text = "model M(n = 1) {\n  a = [B(n, c = 2) for i in 0..n]\n"
                     "  (x: f32[B, n]) -> (y: f32[B]) {\n"
                     "    (_, y) = scan(t in x, s = 0; axis = 1) {\n"
                     "      yield attend(x[:, -1]) { mask(i, j) = i < j }\n"
                     "    }\n  }\n}\n";
  for (size_t i = 0; i < text.size(); ++i) {
    parseQuickly(text.substr(0, i));
    parseQuickly(text.substr(i));
    parseQuickly(text.substr(0, i) + text.substr(i + 1));
  }
}

TEST(Suggestions, NearestName) {
  EXPECT_EQ(nearestName("hiden_size", {"input_size", "hidden_size"}),
            "hidden_size");
  EXPECT_EQ(nearestName("sofmtax", {"softplus", "softmax"}), "softmax");
  EXPECT_EQ(nearestName("Relu", {"relu", "gelu"}), "relu");
  EXPECT_EQ(nearestName("x", {"y", "z"}), "");
  EXPECT_EQ(nearestName("encoder", {"tanh"}), "");
}

} // namespace
