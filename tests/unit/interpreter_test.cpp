//===- interpreter_test.cpp - The rules, against numbers done by hand -----===//

#include "dialect/MapstoDialect.h"
#include "dialect/interpreter/Interpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace mapsto;

namespace {

class InterpreterTest : public ::testing::Test {
protected:
  InterpreterTest()
      : f32(mlir::Float32Type::get(&context)),
        f16(mlir::Float16Type::get(&context)),
        i64(mlir::IntegerType::get(&context, 64)),
        i32(mlir::IntegerType::get(&context, 32)) {
    context.loadDialect<MapstoDialect, mlir::func::FuncDialect>();
  }

  static Tensor floats(mlir::Type type, Shape shape, std::vector<double> f) {
    Tensor tensor(type, shape);
    EXPECT_EQ(tensor.f.size(), f.size());
    tensor.f = std::move(f);
    return tensor;
  }
  static Tensor ints(mlir::Type type, Shape shape, std::vector<int64_t> i) {
    Tensor tensor(type, shape);
    EXPECT_EQ(tensor.i.size(), i.size());
    tensor.i = std::move(i);
    return tensor;
  }
  Tensor floats(Shape shape, std::vector<double> f) {
    return floats(f32, shape, std::move(f));
  }
  Tensor ints(Shape shape, std::vector<int64_t> i) {
    return ints(i64, shape, std::move(i));
  }

  /// Runs `main` of a module; empty on failure, with `error` set.
  std::vector<Tensor> run(llvm::StringRef text, std::vector<Tensor> arguments) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module) {
      ADD_FAILURE() << "the test's IR is not valid";
      return {};
    }
    Interpreter interpreter([&](llvm::StringRef name) {
      auto found = weights.find(name.str());
      return found == weights.end() ? mlir::FailureOr<Tensor>()
                                    : mlir::FailureOr<Tensor>(found->second);
    });
    interpreter.setObserver([&](mlir::Operation *op, llvm::ArrayRef<Tensor>) {
      observed.push_back(op->getName().stripDialect().str());
    });
    auto results = interpreter.run(
        module->lookupSymbol<mlir::func::FuncOp>("main"), arguments, error);
    return mlir::succeeded(results) ? *results : std::vector<Tensor>();
  }

  void expectNear(const Tensor &tensor, Shape shape,
                  std::vector<double> expected) {
    EXPECT_EQ(tensor.shape, shape);
    ASSERT_EQ(tensor.size(), static_cast<int64_t>(expected.size()));
    for (size_t at = 0; at != expected.size(); ++at)
      EXPECT_NEAR(tensor.number(at), expected[at], 1e-12) << "element " << at;
  }

  mlir::MLIRContext context;
  mlir::Type f32, f16, i64, i32;
  std::map<std::string, Tensor> weights;
  std::vector<std::string> observed;
  std::string error;
};

TEST_F(InterpreterTest, SymbolsAreBoundAndChecked) {
  const char *text = R"(
    func.func @main(
        %x: tensor<?x?xf32, #mapsto.dims<"B", "T">> {mapsto.name = "x"},
        %y: tensor<?xf32, #mapsto.dims<"B*T + 1">> {mapsto.name = "y"}) -> tensor<i64> {
      %n = mapsto.size "2*B + T" : tensor<i64>
      return %n : tensor<i64>
    })";
  auto results = run(text, {Tensor(f32, {2, 3}), Tensor(f32, {7})});
  ASSERT_EQ(results.size(), 1u) << error;
  expectNear(results[0], {}, {7});

  EXPECT_TRUE(run(text, {Tensor(f32, {2, 3}), Tensor(f32, {6})}).empty());
  EXPECT_NE(error.find("input 'y' has size 6 on axis 0, but B*T + 1 is 7"),
            std::string::npos)
      << error;
}

TEST_F(InterpreterTest, WholeNumbersDivideAsPython) {
  const char *text = R"(
    func.func @main(%a: tensor<4xi64>, %b: tensor<4xi64>) -> (tensor<4xi64>, tensor<4xi64>) {
      %q = mapsto.div %a, %b : tensor<4xi64>
      %r = mapsto.mod %a, %b : tensor<4xi64>
      return %q, %r : tensor<4xi64>, tensor<4xi64>
    })";
  Tensor a = ints({4}, {7, -7, 7, -7});
  auto results = run(text, {a, ints({4}, {2, 2, -2, -2})});
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {4}, {3, -4, -4, 3});
  expectNear(results[1], {4}, {1, 1, -1, -1});
  EXPECT_TRUE(run(text, {a, ints({4}, {1, 1, 0, 1})}).empty());
  EXPECT_NE(error.find("divided by zero"), std::string::npos) << error;
}

TEST_F(InterpreterTest, NarrowIntegersWrapAndHalvesRound) {
  const char *text = R"(
    func.func @main(%a: tensor<2xi32>, %h: tensor<f16>, %f: tensor<4xf32>)
        -> (tensor<2xi32>, tensor<f16>, tensor<4xi32>, tensor<4xi1>) {
      %s = mapsto.add %a, %a : tensor<2xi32>
      %t = mapsto.add %h, %h : tensor<f16>
      %i = mapsto.cast %f : tensor<4xf32> to tensor<4xi32>
      %b = mapsto.cast %f : tensor<4xf32> to tensor<4xi1>
      return %s, %t, %i, %b : tensor<2xi32>, tensor<f16>, tensor<4xi32>, tensor<4xi1>
    })";
  auto results =
      run(text, {ints(i32, {2}, {2147483647, 5}), floats(f16, {}, {1025.25}),
                 floats({4}, {-2.7, 2.7, 0, 0.25})});
  ASSERT_EQ(results.size(), 4u) << error;
  expectNear(results[0], {2}, {-2, 10});
  expectNear(results[1], {}, {2050}); // 2050.5 has no half-precision value
  expectNear(results[2], {4}, {-2, 2, 0, 0});
  expectNear(results[3], {4}, {1, 1, 0, 1});
}

TEST_F(InterpreterTest, Shapes) {
  const char *text = R"(
    func.func @main(%x: tensor<2x3xf32>) -> (tensor<3x2xf32>, tensor<2x2xf32>, tensor<2x3xf32>, tensor<2x2x3xf32>, tensor<2x5xf32>, tensor<4x3xf32>) {
      %t = mapsto.transpose %x {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
      %s = mapsto.slice %x {starts = #mapsto.dims<"0", "0">, sizes = #mapsto.dims<"2", "2">, steps = array<i64: 1, 2>}
          : (tensor<2x3xf32>) -> tensor<2x2xf32>
      %f = mapsto.flip %x {axes = array<i64: 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
      %b = mapsto.broadcast %x : tensor<2x3xf32> to tensor<2x2x3xf32>
      %nine = mapsto.constant dense<9.0> : tensor<f32>
      %p = mapsto.pad %x, %nine {low = #mapsto.dims<"0", "2">, high = #mapsto.dims<"0", "0">}
          : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x5xf32>
      %c = mapsto.concat %x, %f {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
      return %t, %s, %f, %b, %p, %c : tensor<3x2xf32>, tensor<2x2xf32>, tensor<2x3xf32>, tensor<2x2x3xf32>, tensor<2x5xf32>, tensor<4x3xf32>
    })";
  auto results = run(text, {floats({2, 3}, {1, 2, 3, 4, 5, 6})});
  ASSERT_EQ(results.size(), 6u) << error;
  expectNear(results[0], {3, 2}, {1, 4, 2, 5, 3, 6});
  expectNear(results[1], {2, 2}, {1, 3, 4, 6});
  expectNear(results[2], {2, 3}, {3, 2, 1, 6, 5, 4});
  expectNear(results[3], {2, 2, 3}, {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6});
  expectNear(results[4], {2, 5}, {9, 9, 1, 2, 3, 9, 9, 4, 5, 6});
  expectNear(results[5], {4, 3}, {1, 2, 3, 4, 5, 6, 3, 2, 1, 6, 5, 4});
}

TEST_F(InterpreterTest, SliceBeyondTheEndIsRefusedAtRun) {
  const char *text = R"(
    func.func @main(%x: tensor<?xf32, #mapsto.dims<"T">>) -> tensor<4xf32> {
      %s = mapsto.slice %x {starts = #mapsto.dims<"0">, sizes = #mapsto.dims<"4">, steps = array<i64: 1>}
          : (tensor<?xf32, #mapsto.dims<"T">>) -> tensor<4xf32> loc("m.mto":3:7)
      return %s : tensor<4xf32>
    })";
  EXPECT_EQ(run(text, {Tensor(f32, {4})}).size(), 1u) << error;
  EXPECT_TRUE(run(text, {Tensor(f32, {3})}).empty());
  EXPECT_EQ(error, "m.mto:3:7: element 3 of axis 0 is read, which has 3");
}

TEST_F(InterpreterTest, Reductions) {
  const char *text = R"(
    func.func @main(%x: tensor<2x3xf32>, %none: tensor<2x0xf32>)
        -> (tensor<3xf32>, tensor<f32>, tensor<2xf32>, tensor<2xi64>, tensor<2x3xf32>, tensor<2x2xf32>, tensor<2x2xi64>) {
      %s = mapsto.reduce sum %x {axes = array<i64: 0>} : (tensor<2x3xf32>) -> tensor<3xf32>
      %m = mapsto.reduce max %x {axes = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<f32>
      %e = mapsto.reduce prod %none {axes = array<i64: 1>} : (tensor<2x0xf32>) -> tensor<2xf32>
      %a = mapsto.arg_reduce min %x {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2xi64>
      %c = mapsto.cumulative sum %x {axis = 1 : i64, exclusive, reverse} : (tensor<2x3xf32>) -> tensor<2x3xf32>
      %v, %i = mapsto.topk %x {k = 2 : i64} : (tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xi64>)
      return %s, %m, %e, %a, %c, %v, %i : tensor<3xf32>, tensor<f32>, tensor<2xf32>, tensor<2xi64>, tensor<2x3xf32>, tensor<2x2xf32>, tensor<2x2xi64>
    })";
  auto results =
      run(text, {floats({2, 3}, {3, 1, 2, 5, 5, 4}), Tensor(f32, {2, 0})});
  ASSERT_EQ(results.size(), 7u) << error;
  expectNear(results[0], {3}, {8, 6, 6});
  expectNear(results[1], {}, {5});
  expectNear(results[2], {2}, {1, 1});
  expectNear(results[3], {2}, {1, 2});
  expectNear(results[4], {2, 3}, {3, 2, 0, 9, 4, 0});
  expectNear(results[5], {2, 2}, {3, 2, 5, 5});
  expectNear(results[6], {2, 2}, {0, 2, 0, 1});
}

TEST_F(InterpreterTest, Indexing) {
  const char *text = R"(
    func.func @main(%x: tensor<3x2xf32>, %i: tensor<2xi64>, %u: tensor<2x2xf32>)
        -> (tensor<2x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>) {
      %t = mapsto.take %x, %i {axis = 0 : i64} : (tensor<3x2xf32>, tensor<2xi64>) -> tensor<2x2xf32>
      %two = mapsto.broadcast %i : tensor<2xi64> to tensor<2x2xi64>
      %s = mapsto.scatter add %x, %two, %u {axis = 0 : i64}
          : (tensor<3x2xf32>, tensor<2x2xi64>, tensor<2x2xf32>) -> tensor<3x2xf32>
      %one = mapsto.constant dense<1> : tensor<i64>
      %w = mapsto.update %x, %u, %one {axis = 0 : i64}
          : (tensor<3x2xf32>, tensor<2x2xf32>, tensor<i64>) -> tensor<3x2xf32>
      return %t, %s, %w : tensor<2x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>
    })";
  Tensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  Tensor updates = floats({2, 2}, {10, 20, 30, 40});
  auto results = run(text, {x, ints({2}, {-1, 0}), updates});
  ASSERT_EQ(results.size(), 3u) << error;
  expectNear(results[0], {2, 2}, {5, 6, 1, 2});
  // Column 0 goes to the last row, column 1 to the first.
  expectNear(results[1], {3, 2}, {1, 62, 3, 4, 45, 6});
  expectNear(results[2], {3, 2}, {1, 2, 10, 20, 30, 40});
  EXPECT_TRUE(run(text, {x, ints({2}, {0, 3}), updates}).empty());
  EXPECT_NE(error.find("index 3 is out of range for size 3"), std::string::npos)
      << error;
}

TEST_F(InterpreterTest, WeightsByRowsAndPacked) {
  weights["w"] = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const char *text = R"(
    func.func @main(%x: tensor<1x2xf32>) -> (tensor<2x2xf32>, tensor<2x2x2xf32>, tensor<1x3xf32>) {
      %r = mapsto.weight "w" {row_start = 1 : i64} : tensor<2x2xf32>
      %p = mapsto.weight "w" {panel = 2 : i64, source_shape = array<i64: 3, 2>, transposed} : tensor<2x2x2xf32>
      %y = mapsto.packed_matmul %x, %p {columns = 3 : i64} : (tensor<1x2xf32>, tensor<2x2x2xf32>) -> tensor<1x3xf32>
      return %r, %p, %y : tensor<2x2xf32>, tensor<2x2x2xf32>, tensor<1x3xf32>
    })";
  auto results = run(text, {floats({1, 2}, {1, 10})});
  ASSERT_EQ(results.size(), 3u) << error;
  expectNear(results[0], {2, 2}, {3, 4, 5, 6});
  expectNear(results[1], {2, 2, 2}, {1, 3, 2, 4, 5, 0, 6, 0});
  expectNear(results[2], {1, 3}, {21, 43, 65});
  weights.clear();
  EXPECT_TRUE(run(text, {floats({1, 2}, {1, 10})}).empty());
  EXPECT_NE(error.find("there is no weight 'w'"), std::string::npos) << error;
}

TEST_F(InterpreterTest, MatmulSharesOneMatrix) {
  const char *text = R"(
    func.func @main(%x: tensor<2x1x2xf32>, %w: tensor<2x2xf32>) -> (tensor<2x1x2xf32>, tensor<2x1x2xf32>) {
      %y = mapsto.matmul %x, %w : (tensor<2x1x2xf32>, tensor<2x2xf32>) -> tensor<2x1x2xf32>
      %z = mapsto.matmul %x, %w {transposed} : (tensor<2x1x2xf32>, tensor<2x2xf32>) -> tensor<2x1x2xf32>
      return %y, %z : tensor<2x1x2xf32>, tensor<2x1x2xf32>
    })";
  auto results = run(
      text, {floats({2, 1, 2}, {1, 2, 3, 4}), floats({2, 2}, {1, 2, 3, 4})});
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {2, 1, 2}, {7, 10, 15, 22});
  expectNear(results[1], {2, 1, 2}, {5, 11, 11, 25});
}

TEST_F(InterpreterTest, Convolutions) {
  const char *text = R"(
    func.func @main(%x: tensor<1x1x4xf32>, %w: tensor<1x1x2xf32>) -> (tensor<1x1x3xf32>, tensor<1x1x8xf32>) {
      %y = mapsto.conv1d %x, %w {stride = 2 : i64, pad_low = 1 : i64, pad_high = 1 : i64, dilation = 1 : i64, groups = 1 : i64}
          : (tensor<1x1x4xf32>, tensor<1x1x2xf32>) -> tensor<1x1x3xf32>
      %z = mapsto.conv_transpose1d %x, %w {stride = 2 : i64, padding = 0 : i64, output_padding = 0 : i64, dilation = 1 : i64, groups = 1 : i64}
          : (tensor<1x1x4xf32>, tensor<1x1x2xf32>) -> tensor<1x1x8xf32>
      return %y, %z : tensor<1x1x3xf32>, tensor<1x1x8xf32>
    })";
  auto results =
      run(text, {floats({1, 1, 4}, {1, 2, 3, 4}), floats({1, 1, 2}, {1, 10})});
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {1, 1, 3}, {10, 32, 4});
  expectNear(results[1], {1, 1, 8}, {1, 10, 2, 20, 3, 30, 4, 40});
}

// One query of two features against three keys; value j is 10^j.
std::string attention(llvm::StringRef attributes, llvm::StringRef modify,
                      llvm::StringRef mask) {
  return ("func.func @main(%q: tensor<1x2xf32>, %k: tensor<3x2xf32>, %v: "
          "tensor<3x1xf32>) -> (tensor<1x1xf32>, tensor<1x3xf32>) {\n"
          "  %o, %w = mapsto.attention queries(%q : tensor<1x2xf32>) keys(%k "
          ": tensor<3x2xf32>) value(%v : tensor<3x1xf32>) " +
          attributes +
          " -> tensor<1x1xf32> weights tensor<1x3xf32> score {} modify {" +
          modify + "} mask {" + mask +
          "}\n  return %o, %w : tensor<1x1xf32>, tensor<1x3xf32>\n}")
      .str();
}

TEST_F(InterpreterTest, AttentionNormalizers) {
  std::vector<Tensor> inputs{floats({1, 2}, {1, 0}),
                             floats({3, 2}, {1, 5, 3, 6, 2, 7}),
                             floats({3, 1}, {1, 10, 100})};
  double e1 = std::exp(0.5), e3 = std::exp(1.5), e2 = std::exp(1.0);
  double sum = e1 + e2 + e3;
  auto results =
      run(attention("attributes {scale = 0.5 : f64}", "", ""), inputs);
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[1], {1, 3}, {e1 / sum, e3 / sum, e2 / sum});
  expectNear(results[0], {1, 1}, {(e1 + 10 * e3 + 100 * e2) / sum});

  auto with = [&](llvm::StringRef normalizer) {
    return run(attention(("attributes {normalizer = #mapsto.normalizer<" +
                          normalizer + ">}")
                             .str(),
                         "", ""),
               inputs);
  };
  results = with("hard");
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[1], {1, 3}, {0, 1, 0});
  expectNear(results[0], {1, 1}, {10});
  results = with("sparsemax"); // of 1, 3, 2: only 3 is in the support
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[1], {1, 3}, {0, 1, 0});
  results = with("sigmoid");
  ASSERT_EQ(results.size(), 2u) << error;
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  expectNear(results[1], {1, 3}, {sigmoid(1), sigmoid(3), sigmoid(2)});
}

TEST_F(InterpreterTest, AttentionRegions) {
  std::vector<Tensor> inputs{floats({1, 2}, {1, 0}),
                             floats({3, 2}, {1, 5, 3, 6, 2, 7}),
                             floats({3, 1}, {1, 10, 100})};
  // The score becomes its key's index; the last key is removed.
  const char *modify = R"(
    ^bb0(%s: tensor<f32>, %i: tensor<i64>, %j: tensor<i64>):
      %f = mapsto.cast %j : tensor<i64> to tensor<f32>
      mapsto.yield %f : tensor<f32>
  )";
  const char *mask = R"(
    ^bb0(%i: tensor<i64>, %j: tensor<i64>):
      %two = mapsto.constant dense<2> : tensor<i64>
      %b = mapsto.compare lt %j, %two : tensor<i64>
      mapsto.yield %b : tensor<i1>
  )";
  auto results = run(attention("", modify, mask), inputs);
  ASSERT_EQ(results.size(), 2u) << error;
  double e = std::exp(1.0);
  expectNear(results[1], {1, 3}, {1 / (1 + e), e / (1 + e), 0});

  const char *nothing = R"(
    ^bb0(%i: tensor<i64>, %j: tensor<i64>):
      %no = mapsto.constant dense<false> : tensor<i1>
      mapsto.yield %no : tensor<i1>
  )";
  results = run(attention("", "", nothing), inputs);
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {1, 1}, {0});
  expectNear(results[1], {1, 3}, {0, 0, 0});
  EXPECT_EQ(llvm::count(observed, "constant"), 0);
}

TEST_F(InterpreterTest, AttentionGroupsQueryHeads) {
  const char *text = R"(
    func.func @main(%q: tensor<4x1x1xf32>, %k: tensor<2x2x1xf32>, %v: tensor<2x2x1xf32>)
        -> (tensor<4x1x1xf32>, tensor<4x1xf32>) {
      %o, %l = mapsto.attention queries(%q : tensor<4x1x1xf32>) keys(%k : tensor<2x2x1xf32>)
          value(%v : tensor<2x2x1xf32>) attributes {} -> tensor<4x1x1xf32> log_sum_exp tensor<4x1xf32>
          score {} modify {} mask {}
      return %o, %l : tensor<4x1x1xf32>, tensor<4x1xf32>
    })";
  auto results =
      run(text, {floats({4, 1, 1}, {0, 0, 0, 0}), Tensor(f32, {2, 2, 1}),
                 floats({2, 2, 1}, {1, 3, 10, 30})});
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {4, 1, 1}, {2, 2, 20, 20});
  double two = std::log(2.0);
  expectNear(results[1], {4, 1}, {two, two, two, two});
}

TEST_F(InterpreterTest, ScanWithLengthsBothWays) {
  auto text = [](llvm::StringRef direction) {
    return ("func.func @main(%x: tensor<?x?xf32, #mapsto.dims<\"B\", \"T\">>, "
            "%n: tensor<?xi64, #mapsto.dims<\"B\">>) -> (tensor<?xf32, "
            "#mapsto.dims<\"B\">>, tensor<?x?xf32, #mapsto.dims<\"B\", "
            "\"T\">>) {\n"
            "  %c = mapsto.constant dense<0.0> : tensor<f32>\n"
            "  %z = mapsto.broadcast %c : tensor<f32> to tensor<?xf32, "
            "#mapsto.dims<\"B\">>\n"
            "  %s, %o = mapsto.scan init(%z : tensor<?xf32, "
            "#mapsto.dims<\"B\">>) over(%x : tensor<?x?xf32, "
            "#mapsto.dims<\"B\", \"T\">>) lengths(%n : tensor<?xi64, "
            "#mapsto.dims<\"B\">>) attributes {axis = 1 : i64, count = "
            "\"T\"" +
            direction +
            "} -> (tensor<?xf32, #mapsto.dims<\"B\">>, tensor<?x?xf32, "
            "#mapsto.dims<\"B\", \"T\">>) {\n"
            "  ^bb0(%h: tensor<?xf32, #mapsto.dims<\"B\">>, %t: "
            "tensor<?xf32, #mapsto.dims<\"B\">>):\n"
            "    %r = mapsto.add %h, %t : tensor<?xf32, #mapsto.dims<\"B\">>\n"
            "    mapsto.yield %r, %r : tensor<?xf32, #mapsto.dims<\"B\">>, "
            "tensor<?xf32, #mapsto.dims<\"B\">>\n"
            "  }\n"
            "  return %s, %o : tensor<?xf32, #mapsto.dims<\"B\">>, "
            "tensor<?x?xf32, #mapsto.dims<\"B\", \"T\">>\n}")
        .str();
  };
  std::vector<Tensor> inputs{floats({2, 3}, {1, 2, 3, 4, 5, 6}),
                             ints({2}, {3, 2})};
  auto results = run(text(""), inputs);
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {2}, {6, 9});
  expectNear(results[1], {2, 3}, {1, 3, 6, 4, 9, 0});
  results = run(text(", reverse"), inputs);
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {2}, {6, 9});
  expectNear(results[1], {2, 3}, {6, 5, 3, 9, 5, 0});
}

TEST_F(InterpreterTest, RepeatStops) {
  const char *text = R"(
    func.func @main(%limit: tensor<i64>) -> (tensor<i64>, tensor<1x5xi64>) {
      %one = mapsto.constant dense<1> : tensor<i64>
      %s, %o = mapsto.repeat init(%one : tensor<i64>) attributes {axis = 1 : i64, count = "5"} -> (tensor<i64>, tensor<1x5xi64>) {
      ^bb0(%n: tensor<i64>, %x: tensor<i64>):
        %d = mapsto.add %x, %x : tensor<i64>
        %stop = mapsto.compare ge %d, %limit : tensor<i64>
        %row = mapsto.reshape %d : tensor<i64> to tensor<1xi64>
        mapsto.yield %stop, %d, %row : tensor<i1>, tensor<i64>, tensor<1xi64>
      }
      return %s, %o : tensor<i64>, tensor<1x5xi64>
    })";
  auto results = run(text, {ints({}, {8})});
  ASSERT_EQ(results.size(), 2u) << error;
  expectNear(results[0], {}, {8});
  expectNear(results[1], {1, 5}, {2, 4, 8, 0, 0});
}

TEST_F(InterpreterTest, RecurrencesOfOneUnit) {
  const char *text = R"(
    func.func @main(%x: tensor<1x2x1xf32>, %r: tensor<1x1xf32>, %l: tensor<4x1xf32>, %g: tensor<3x1xf32>, %b: tensor<3xf32>)
        -> (tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>) {
      %o1, %h1 = mapsto.rnn %x, %r, %r {axis = 1 : i64} : (tensor<1x2x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>) -> (tensor<1x2x1xf32>, tensor<1x1xf32>)
      %o2, %h2, %c2 = mapsto.lstm %x, %l, %l {axis = 1 : i64} : (tensor<1x2x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>) -> (tensor<1x2x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>)
      %o3, %h3 = mapsto.gru %x, %g, %g bias_hh(%b) {axis = 1 : i64} : (tensor<1x2x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>, tensor<3xf32>) -> (tensor<1x2x1xf32>, tensor<1x1xf32>)
      %o4, %h4 = mapsto.gru %x, %g, %g bias_hh(%b) {axis = 1 : i64, reset_before} : (tensor<1x2x1xf32>, tensor<3x1xf32>, tensor<3x1xf32>, tensor<3xf32>) -> (tensor<1x2x1xf32>, tensor<1x1xf32>)
      return %h1, %h2, %c2, %h3, %h4 : tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>
    })";
  auto results =
      run(text, {floats({1, 2, 1}, {1, 2}), floats({1, 1}, {0.5}),
                 floats({4, 1}, {0.1, 0.2, 0.3, 0.4}),
                 floats({3, 1}, {0.1, 0.2, 0.3}), floats({3}, {0, 0, 0.5})});
  ASSERT_EQ(results.size(), 5u) << error;
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  double h = std::tanh(0.5);
  expectNear(results[0], {1, 1}, {std::tanh(1 + 0.5 * h)});

  double hidden = 0, cell = 0;
  for (double x : {1.0, 2.0}) {
    double s = x + hidden;
    cell = sigmoid(0.2 * s) * cell + sigmoid(0.1 * s) * std::tanh(0.3 * s);
    hidden = sigmoid(0.4 * s) * std::tanh(cell);
  }
  expectNear(results[1], {1, 1}, {hidden});
  expectNear(results[2], {1, 1}, {cell});

  double after = 0, before = 0;
  for (double x : {1.0, 2.0}) {
    double r = sigmoid(0.1 * (x + after)), z = sigmoid(0.2 * (x + after));
    after = (1 - z) * std::tanh(0.3 * x + r * (0.3 * after + 0.5)) + z * after;
    r = sigmoid(0.1 * (x + before)), z = sigmoid(0.2 * (x + before));
    before =
        (1 - z) * std::tanh(0.3 * x + 0.3 * (r * before) + 0.5) + z * before;
  }
  expectNear(results[3], {1, 1}, {after});
  expectNear(results[4], {1, 1}, {before});
}

TEST_F(InterpreterTest, KernelsRunAsTheirOps) {
  const char *text = R"(
    mapsto.kernel @k map : (tensor<2xf32>) -> tensor<2xf32> {
    ^bb0(%x: tensor<2xf32>):
      %y = mapsto.neg %x : tensor<2xf32>
      mapsto.yield %y : tensor<2xf32>
    }
    func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
      %y = mapsto.launch @k(%x) : (tensor<2xf32>) -> tensor<2xf32>
      return %y : tensor<2xf32>
    })";
  auto results = run(text, {floats({2}, {1, -2})});
  ASSERT_EQ(results.size(), 1u) << error;
  expectNear(results[0], {2}, {-1, 2});
  EXPECT_EQ(observed, (std::vector<std::string>{"neg", "launch"}));
}

TEST_F(InterpreterTest, BytesRoundTrip) {
  mlir::Type types[] = {
      f32,
      f16,
      i64,
      i32,
      mlir::BFloat16Type::get(&context),
      mlir::Float64Type::get(&context),
      mlir::IntegerType::get(&context, 8),
      mlir::IntegerType::get(&context, 1),
      mlir::IntegerType::get(&context, 16),
      mlir::IntegerType::get(&context, 64, mlir::IntegerType::Unsigned)};
  for (mlir::Type type : types) {
    Tensor tensor(type, {3});
    tensor.f.assign(tensor.f.size(), 1.5);
    tensor.i.assign(tensor.i.size(), 1);
    if (tensor.isFloat())
      tensor.f[1] = -INFINITY;
    else if (!type.isInteger(1))
      tensor.i[1] = -100;
    std::vector<char> data = bytesOf(tensor);
    EXPECT_EQ(static_cast<int64_t>(data.size()), 3 * bytesPerElement(type));
    auto again = tensorFromBytes(type, {3}, data);
    ASSERT_TRUE(mlir::succeeded(again));
    EXPECT_EQ(again->f, tensor.f);
    EXPECT_EQ(again->i, tensor.i);
    data.pop_back();
    EXPECT_TRUE(mlir::failed(tensorFromBytes(type, {3}, data)));
  }
}

TEST_F(InterpreterTest, UnsignedIntegersWrapAndWiden) {
  auto unsignedOf = [&](unsigned bits) {
    return mlir::IntegerType::get(&context, bits, mlir::IntegerType::Unsigned);
  };
  Tensor x(i64, {2});
  x.i = {-1, 300};
  EXPECT_EQ(castTo(unsignedOf(8), x).i[0], 255);
  EXPECT_EQ(castTo(unsignedOf(8), x).i[1], 44);
  EXPECT_EQ(castTo(unsignedOf(32), x).i[0], UINT32_MAX);
  mlir::Type f64 = mlir::Float64Type::get(&context);
  Tensor large = castTo(unsignedOf(64), x);
  EXPECT_EQ(castTo(f64, large).f[0], 0x1p64);
  EXPECT_EQ(castTo(i64, large).i[0], -1);
  EXPECT_EQ(tensorFrom(literalFrom(castTo(unsignedOf(16), x))).i[0],
            UINT16_MAX);
}

} // namespace
