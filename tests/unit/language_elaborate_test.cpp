//===- language_elaborate_test.cpp - What programs mean -------------------===//
//
// Small programs, each run through the interpreter and held to a value that is
// plain to see.
//
//===----------------------------------------------------------------------===//

#include "language_test_support.h"

#include <gtest/gtest.h>

using namespace mapsto;
using namespace mapsto::test;

namespace {
/// Runs a program whose inputs are filled with 0, 1, 2, ...; every symbol is 2,
/// every weight all ones.
std::vector<Tensor> run(Compilation &c, const std::string &text,
                        const LanguageOptions &options = {}) {
  if (!c.compile("program.mto", text, options)) {
    ADD_FAILURE() << c.diagnostics.render();
    return {};
  }
  auto shapeOf = [](mlir::Type type) {
    Shape shape;
    for (const Dim &dim : dimsOf(type))
      shape.push_back(*dim.evaluate(
          [](llvm::StringRef) { return std::optional<int64_t>(2); }));
    return shape;
  };
  std::vector<Tensor> inputs;
  for (unsigned i = 0; i < c.main().getNumArguments(); ++i) {
    mlir::Value argument = c.main().getArgument(i);
    Tensor tensor(mapsto::elementTypeOf(argument), shapeOf(argument.getType()));
    for (int64_t at = 0;
         at < tensor.size() && !c.main().getArgAttr(i, kStateAttr); ++at)
      withElements(tensor, [&](auto &elements) { elements[at] = at; });
    inputs.push_back(tensor);
  }
  std::map<std::string, mlir::Type> types;
  c.main().walk([&](WeightOp op) { types[op.getName().str()] = op.getType(); });
  Interpreter interpreter([&](llvm::StringRef name) -> mlir::FailureOr<Tensor> {
    auto type = mlir::cast<mlir::RankedTensorType>(types.at(name.str()));
    Tensor ones(type.getElementType(), type.getShape());
    withElements(ones, [](auto &elements) {
      std::fill(elements.begin(), elements.end(), 1);
    });
    return ones;
  });
  std::string error;
  auto results = interpreter.run(c.main(), inputs, error);
  EXPECT_TRUE(mlir::succeeded(results)) << error;
  return mlir::succeeded(results) ? *results : std::vector<Tensor>();
}

std::vector<double> numbers(const Tensor &tensor) {
  std::vector<double> result;
  for (int64_t i = 0; i < tensor.size(); ++i)
    result.push_back(tensor.number(i));
  return result;
}

void expect(const std::string &text, const std::string &shape,
            const std::vector<double> &values,
            const LanguageOptions &options = {}) {
  SCOPED_TRACE(text);
  Compilation c;
  auto results = run(c, text, options);
  ASSERT_FALSE(results.empty());
  EXPECT_EQ(str(results[0].shape), shape);
  auto actual = numbers(results[0]);
  ASSERT_EQ(actual.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(actual[i], values[i], 1e-6) << i;
}

/// One expression of x: f32[2, 3] = [[0, 1, 2], [3, 4, 5]].
void expectOf(const std::string &expression, const std::string &shape,
              const std::vector<double> &values) {
  expect("fn f(x: f32[2, 3]) { " + expression + " }", shape, values);
}
} // namespace

TEST(Elaborate, Slices) {
  expectOf("x[1]", "[3]", {3, 4, 5});
  expectOf("x[-1, 1:]", "[2]", {4, 5});
  expectOf("x[:, -1]", "[2]", {2, 5});
  expectOf("x[..., ::2]", "[2, 2]", {0, 2, 3, 5});
  expectOf("x[:, ::-1]", "[2, 3]", {2, 1, 0, 5, 4, 3});
  expectOf("x[:, None, 0]", "[2, 1]", {0, 3});
  expectOf("x[[1, 0, 1], 2]", "[3]", {5, 2, 5});
  expectOf("x[0, :-1]", "[2]", {0, 1});
}

TEST(Elaborate, Assignments) {
  expectOf("x[0] = 9.0; x", "[2, 3]", {9, 9, 9, 3, 4, 5});
  expectOf("x[:, 1:] = [7.0, 8.0]; x", "[2, 3]", {0, 7, 8, 3, 7, 8});
  expectOf("x[..., -1] = x[:, 0]; x", "[2, 3]", {0, 1, 0, 3, 4, 3});
}

TEST(Elaborate, Types) {
  expectOf("7 / 2 + 0 * x[0, 0]", "[]", {3.5});
  expectOf("i64(x[0]) / 2", "[3]", {0, 0.5, 1});
  expectOf("floordiv(i64(x[1]), 2)", "[3]", {1, 2, 2});
  expectOf("x[0] % 2 == 1", "[3]", {0, 1, 0});
  expectOf("sum(x > 2)", "[]", {3});
  expectOf("f16(x[0]) + 1", "[3]", {1, 2, 3});
  expectOf("-i32(x[0]) ** 2", "[3]", {0, -1, -4});
  expectOf("2 ** -1 * x[0]", "[3]", {0, 0.5, 1});
  expectOf("x[0] ** 0.5", "[3]", {0, 1, 1.41421356});
  expectOf("sqrt(16) * 1.0 + x[0, 0]", "[]", {4});
}

TEST(Elaborate, SizesAsNumbers) {
  expect("fn f(x: f32[B, T]) -> f32[] { sum(x) / T }", "[]", {3});
  expect("fn f(x: f32[B, T]) -> f32[B, T] { x + B * T }", "[2, 2]",
         {4, 5, 6, 7});
  expect("fn f(x: f32[B, T]) -> f32[T * B] { reshape(x, [B * T]) }", "[4]",
         {0, 1, 2, 3});
  expect("fn f(x: f32[B, T]) { x[:, :T - 1] }", "[2, 1]", {0, 2});
  expect("fn f(x: f32[B, T]) { zeros[B, T + 1] + 1 / T }", "[2, 3]",
         {0.5, 0.5, 0.5, 0.5, 0.5, 0.5});
}

TEST(Elaborate, StaticCode) {
  expect("let k = 3\nfn f(x: f32[2]) { for i in 0..k { x = x + i }\n x }",
         "[2]", {3, 4});
  expect(
      "fn f(x: f32[2]) { y = [x * i for i in 0..4 if i % 2 == 1]; stack(y) }",
      "[2, 2]", {0, 1, 0, 3});
  expect("fn f(x: f32[2], n: int = 2) { x if n == 2 else -x }", "[2]", {0, 1});
  expect("fn f(x: f32[2]) { if size(x, 0) > 5 { x } else { x * 10 } }", "[2]",
         {0, 10});
  expect("fn f(x: f32[2]) { for (a, b) in zip([1, 2], [3, 4]) { x = x + a * b "
         "}\n x }",
         "[2]", {11, 12});
}

TEST(Elaborate, Optionals) {
  std::string text = "model M {\n  (x: f32[2], b: f32[2]?) -> (y: f32[2]) {\n"
                     "    y = x + b if given(b) else x - 1\n  }\n}\n";
  expect(text, "[2]", {-1, 0});
  LanguageOptions options;
  options.args["b"] = "true";
  expect(text, "[2]", {0, 2}, options);
}

TEST(Elaborate, CallsUnifySizes) {
  expect("fn g(a: f32[T, D], b: f32[D]) -> f32[T] { a @ b }\n"
         "fn f(x: f32[B, 3], w: f32[3]) -> f32[B] { g(x, w) }",
         "[2]", {5, 14});
  expect(
      "fn half(x: f32[2 * N]) -> f32[N] { x[:N] }\nfn f(x: f32[6]) { half(x) }",
      "[3]", {0, 1, 2});
  expect("fn lead(x: f32[..., D]) -> f32[...] { sum(x, -1) }\nfn f(x: f32[A, "
         "2, 2]) { lead(x) }",
         "[2, 2]", {1, 5, 9, 13});
}

TEST(Elaborate, Scan) {
  expect("fn f(x: f32[B, T]) { (_, y) = scan(v in x, s = zeros[B]) { s = s + "
         "v; yield s }\n y }",
         "[2, 2]", {0, 1, 2, 5});
  expect("fn f(x: f32[T]) { (s, y) = scan(v in x, s = 0.0) { s = s + v; yield "
         "s }\n y }",
         "[2]", {0, 1});
  expect("fn f(x: f32[B, T]) { (_, y) = scan(v in x, t in 0..T, s = zeros[B]; "
         "reverse = true) { s "
         "= s + v * t; yield s }\n y }",
         "[2, 2]", {1, 1, 3, 3});
  expect("fn f(x: f32[T, B]) { scan(v in x, s = zeros[B]; axis = 0) { s = s + "
         "v } }",
         "[2]", {2, 4});
}

TEST(Elaborate, Repeat) {
  expect("fn f(x: f32[2]) { (_, y) = repeat(i in 0..4, s = x) { s = s + i; "
         "yield s; until all(s > "
         "1) }\n y }",
         "[2, 4]", {0, 1, 3, 0, 1, 2, 4, 0});
}

TEST(Elaborate, StateIsKept) {
  Compilation c;
  auto results =
      run(c, "model M {\n  state seen: f32[B]\n  state count: i64[]\n"
             "  (x: f32[B]) -> (y: f32[B]) {\n    seen = seen + x\n"
             "    count = count + 1\n    y = seen * 2\n  }\n}\n");
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(numbers(results[0]), (std::vector<double>{0, 2}));
  EXPECT_EQ(numbers(results[1]), (std::vector<double>{0, 1}));
  EXPECT_EQ(numbers(results[2]), (std::vector<double>{1}));
  EXPECT_EQ(c.main().getArgAttrOfType<mlir::StringAttr>(1, kStateAttr).str(),
            "seen");
  EXPECT_EQ(c.main().getResultAttrOfType<mlir::StringAttr>(1, kStateAttr).str(),
            "seen");
}

TEST(Elaborate, StatesInsideRepeat) {
  Compilation c;
  auto results = run(
      c,
      "model M {\n  state n: f32[]\n  (x: f32[2]) -> (y: f32[3]) {\n"
      "    y = repeat(3) {\n      n = n + 1\n      yield n\n    }\n  }\n}\n");
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(numbers(results[0]), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(numbers(results[1]), (std::vector<double>{3}));
}

TEST(Elaborate, ParameterNames) {
  Compilation c;
  run(c, "model Inner(d: int) {\n  fc = Linear(d, d)\n  (x: f32[B, d]) -> (y: "
         "f32[B, d]) { y = "
         "fc(x) }\n}\n"
         "model M {\n  blocks = [Inner(2) for i in 0..2]\n  param scale: "
         "f32[2] = \"s.cale\"\n"
         "  (x: f32[B, 2]) -> (y: f32[B, 2]) {\n"
         "    for b in blocks { x = b(x) }\n    y = x * scale\n  }\n}\n");
  std::vector<std::string> names;
  c.main().walk([&](WeightOp op) { names.push_back(op.getName().str()); });
  EXPECT_EQ(names, (std::vector<std::string>{
                       "blocks.0.fc.weight", "blocks.0.fc.bias",
                       "blocks.1.fc.weight", "blocks.1.fc.bias", "s.cale"}));
}

TEST(Elaborate, NormalizersAndSecondResults) {
  expect("fn f(q: f32[1, 2], k: f32[3, 2], v: f32[3, 1]) { (c, w, l) = "
         "attend(q, k, v, scale = "
         "1.0); w }",
         "[1, 3]", {0.01587624, 0.11731043, 0.86681333});
  expect("fn f(q: f32[1, 2], k: f32[3, 2], v: f32[3, 1]) { attend(q, k, v, "
         "normalizer = hard) }",
         "[1, 1]", {2});
  expect("fn f(q: f32[1, 2], k: f32[3, 2], v: f32[3, 1]) { attend(q, k, v, "
         "normalizer = "
         "sparsemax) }",
         "[1, 1]", {2});
  expect("fn f(q: f32[2, 2, 2], k: f32[2, 3, 2], v: f32[2, 3, 1], n: i64[2]) { "
         "attend(q, k, v, "
         "lengths = n) }",
         "[2, 2, 1]", {0, 0, 3, 3});
}

TEST(Elaborate, SymbolicFeatures) {
  std::string sizes = "q: f32[1, D], k: f32[3, D], v: f32[3, 1]";
  // Scores 1, 3, 5 over the root of 2.
  expect("fn f(" + sizes + ") { (c, w) = attend(q, k, v); w }", "[1, 3]",
         {0.04538836, 0.18669370, 0.76791794});
  expect("fn f(" + sizes +
             ") { (c, w) = attend(q, k, v) { modify(s) = s }\n w }",
         "[1, 3]", {0.04538836, 0.18669370, 0.76791794});
}

TEST(Elaborate, EntryChoice) {
  std::string text =
      "fn f(x: f32[2]) { x }\nmodel A {\n  (x: f32[2]) -> f32[2] { x + 1 }\n"
      "  twice(x: f32[2]) -> f32[2] { 2 * x }\n}\nmodel B {\n  a = A()\n"
      "  (x: f32[2]) -> f32[2] { a(a.twice(x)) }\n}\n";
  LanguageOptions options;
  expect(text, "[2]", {1, 3});
  options.model = "A.twice";
  expect(text, "[2]", {0, 2}, options);
  options.model = "f";
  expect(text, "[2]", {0, 1}, options);
}

TEST(Elaborate, DimsAndArgs) {
  LanguageOptions options;
  options.dims["T"] = 3;
  options.args["n"] = "2 * 2";
  expect("model M(n = 1) { (x: f32[T]) -> f32[T] { x + n } }", "[3]", {4, 5, 6},
         options);
}

TEST(Elaborate, LocationsNameTheLayerAndTheUsersLine) {
  Compilation c;
  run(c, "model M {\n  fc = Linear(2, 2)\n  (x: f32[B, 2]) -> (y: f32[B, 2]) "
         "{\n    y = fc(x)\n"
         "  }\n}\n");
  std::string text;
  c.main().walk([&](MatmulOp op) {
    llvm::raw_string_ostream os(text);
    op.getLoc().print(os);
  });
  EXPECT_EQ(text, "loc(\"fc\"(\"program.mto\":4:9))");
}
