//===- dims_test.cpp - Symbolic sizes -------------------------------------===//

#include "dialect/Dims.h"
#include "dialect/MapstoDialect.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>

using namespace mapsto;

namespace {

Dim parsed(llvm::StringRef text) {
  mlir::FailureOr<Dim> dim = Dim::parse(text);
  EXPECT_TRUE(mlir::succeeded(dim)) << text.str();
  return mlir::succeeded(dim) ? *dim : Dim();
}

std::string canonical(llvm::StringRef text) { return parsed(text).str(); }

using Values = std::map<std::string, int64_t>;
std::optional<int64_t> evaluated(const Dim &dim, const Values &values) {
  return dim.evaluate([&](llvm::StringRef name) -> std::optional<int64_t> {
    auto found = values.find(name.str());
    if (found == values.end())
      return std::nullopt;
    return found->second;
  });
}

TEST(Dims, NormalForm) {
  EXPECT_EQ(canonical("T + T"), "2*T");
  EXPECT_EQ(canonical("(T + 1) - 1"), "T");
  EXPECT_EQ(canonical("1 + B*T*2"), "2*B*T + 1");
  EXPECT_EQ(canonical("T*B - B*T"), "0");
  EXPECT_EQ(canonical("-T + 1"), "-T + 1");
  EXPECT_EQ(canonical("-1*T*T"), "-T*T");
  EXPECT_EQ(canonical("(A + B)*(A - B)"), "A*A - B*B");
  EXPECT_EQ(canonical("2*3 - 6"), "0");
}

TEST(Dims, Division) {
  EXPECT_EQ(canonical("floordiv(4*T, 2)"), "2*T");
  EXPECT_EQ(canonical("floordiv(T + 1, 2)"), "floordiv(T + 1, 2)");
  EXPECT_EQ(canonical("floordiv(T + 5, 2)"), "floordiv(T + 1, 2) + 2");
  EXPECT_EQ(canonical("floordiv(2*T + 1, 2)"), "T");
  EXPECT_EQ(canonical("floordiv(2*T + 1, 4)"), "floordiv(T, 2)");
  EXPECT_EQ(canonical("floordiv(floordiv(T, 2), 3)"), "floordiv(T, 6)");
  EXPECT_EQ(canonical("ceildiv(T, 2)"), "floordiv(T + 1, 2)");
  EXPECT_EQ(canonical("ceildiv(2*T, 2)"), "T");
  EXPECT_EQ(canonical("floordiv(B*T*16, T)"), "16*B");
  EXPECT_EQ(canonical("floordiv(-7, 2)"), "-4");
  EXPECT_EQ(canonical("ceildiv(7, 2)"), "4");
  EXPECT_EQ(canonical("mod(-7, 3)"), "2");
  EXPECT_EQ(canonical("mod(3*T + 4, 3)"), "1");
  EXPECT_EQ(canonical("mod(4*T + 4, 3)"), "mod(T + 1, 3)");
  EXPECT_EQ(canonical("floordiv(A*A - B*B, A + B)"), "A - B");
  EXPECT_EQ(canonical("floordiv(T, 0)"), "floordiv(T, 0)");
}

TEST(Dims, MinMax) {
  EXPECT_EQ(canonical("max(S, 1)"), "max(S, 1)");
  EXPECT_EQ(canonical("max(1, S)"), "max(S, 1)");
  EXPECT_EQ(canonical("max(S, 0)"), "S");
  EXPECT_EQ(canonical("min(T, T + 1)"), "T");
  EXPECT_EQ(canonical("max(T, T + B)"), "B + T");
  EXPECT_EQ(canonical("min(B, A)"), "min(A, B)");
  EXPECT_EQ(canonical("min(3, 5)"), "3");
}

TEST(Dims, ExactDivision) {
  EXPECT_EQ(Dim::exactDiv(parsed("12*H"), parsed("4*H"))->str(), "3");
  EXPECT_EQ(Dim::exactDiv(parsed("2*A*B + 4*B"), parsed("2*B"))->str(),
            "A + 2");
  EXPECT_FALSE(Dim::exactDiv(parsed("T + 1"), parsed("2")));
  EXPECT_FALSE(Dim::exactDiv(parsed("T"), parsed("B")));
  EXPECT_FALSE(Dim::exactDiv(parsed("T"), Dim(0)));
  EXPECT_EQ(Dim::exactDiv(Dim(0), parsed("B"))->str(), "0");
}

TEST(Dims, RefusesOtherText) {
  for (const char *text :
       {"", "T +", "+T", "2T", "T T", "foo(T, 2)", "floordiv(T)", "(T", "T)",
        "T/2", "99999999999999999999", "max(T, 1, 2)", "\xff"})
    EXPECT_TRUE(mlir::failed(Dim::parse(text))) << text;
  EXPECT_TRUE(mlir::failed(Dim::parse(std::string(100000, '('))));
}

TEST(Dims, Symbols) {
  EXPECT_EQ(parsed("T").symbolName(), "T");
  EXPECT_FALSE(parsed("2*T").symbolName());
  EXPECT_FALSE(parsed("max(T, 1)").symbolName());
  EXPECT_EQ(parsed("max(T, 1)*B + T").symbols(),
            (std::vector<std::string>{"B", "T"}));
  EXPECT_EQ(Dim(7).constant(), 7);
  EXPECT_FALSE(parsed("T").constant());
}

TEST(Dims, Substitution) {
  auto at = [](llvm::StringRef name) -> std::optional<Dim> {
    if (name == "T")
      return Dim(8);
    return std::nullopt;
  };
  EXPECT_EQ(parsed("floordiv(T + 1, 2)*B").substitute(at).str(), "4*B");
  EXPECT_EQ(parsed("max(T - S, 1)").substitute(at).str(), "max(-S + 8, 1)");
}

TEST(Dims, EvaluationRefusesWhatHasNoValue) {
  constexpr int64_t large = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(evaluated(parsed("2*B*T + 1"), {{"B", 3}, {"T", 5}}), 31);
  EXPECT_FALSE(evaluated(parsed("B"), {}));
  EXPECT_FALSE(evaluated(parsed("floordiv(T, B)"), {{"T", 4}, {"B", 0}}));
  EXPECT_FALSE(evaluated(parsed("B*T"), {{"B", large}, {"T", 2}}));
  EXPECT_FALSE(evaluated(parsed("T + 1"), {{"T", large}}));
  EXPECT_EQ(evaluated(parsed("B*T*N"), {{"B", large}, {"T", 2}, {"N", 0}}), 0);
  // A product that leaves 64 bits while it is written is refused too.
  EXPECT_FALSE(evaluated(Dim(large) * Dim(4), {}));
}

// An expression built two ways at once: as a Dim, and as plain arithmetic.
struct Sample {
  Dim dim;
  int64_t value;
};

Sample sample(std::mt19937 &random, const Values &values, int depth) {
  auto pick = [&](int n) { return static_cast<int>(random() % n); };
  if (depth == 0) {
    if (pick(3) == 0) {
      int64_t constant = pick(9) - 4;
      return {Dim(constant), constant};
    }
    auto symbol = std::next(values.begin(), pick(values.size()));
    return {Dim::symbol(symbol->first), symbol->second};
  }
  Sample a = sample(random, values, depth - 1);
  Sample b = sample(random, values, depth - 1);
  auto floorDivide = [](int64_t x, int64_t y) {
    return static_cast<int64_t>(std::floor(static_cast<double>(x) / y));
  };
  int64_t divisor = 1 + pick(6);
  switch (pick(8)) {
  case 0:
    return {a.dim + b.dim, a.value + b.value};
  case 1:
    return {a.dim - b.dim, a.value - b.value};
  case 2:
    return {a.dim * b.dim, a.value * b.value};
  case 3:
    return {Dim::floorDiv(a.dim, Dim(divisor)), floorDivide(a.value, divisor)};
  case 4:
    return {Dim::ceilDiv(a.dim, Dim(divisor)), -floorDivide(-a.value, divisor)};
  case 5:
    return {Dim::mod(a.dim, Dim(divisor)),
            a.value - divisor * floorDivide(a.value, divisor)};
  case 6:
    return {Dim::min(a.dim, b.dim), std::min(a.value, b.value)};
  default:
    return {Dim::max(a.dim, b.dim), std::max(a.value, b.value)};
  }
}

TEST(Dims, RandomExpressionsKeepTheirValue) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    Values values;
    for (const char *name : {"A", "B", "T"})
      values[name] = random() % 12;
    Sample made = sample(random, values, 1 + round % 4);
    EXPECT_EQ(evaluated(made.dim, values), made.value) << made.dim.str();
    // The text is canonical: it parses to the same size and prints the same.
    Dim again = parsed(made.dim.str());
    EXPECT_EQ(again, made.dim) << made.dim.str();
    EXPECT_EQ(again.str(), made.dim.str());
  }
}

TEST(Dims, TensorTypes) {
  mlir::MLIRContext context;
  context.loadDialect<MapstoDialect>();
  auto f32 = mlir::Float32Type::get(&context);
  Dims dims{Dim::symbol("B"), Dim(3)};
  mlir::RankedTensorType type = tensorOf(dims, f32);
  EXPECT_EQ(dimsOf(type), dims);
  EXPECT_TRUE(hasSizes(type));
  EXPECT_EQ(tensorOf({Dim(2), Dim(3)}, f32),
            mlir::RankedTensorType::get({2, 3}, f32));
  EXPECT_FALSE(
      hasSizes(mlir::RankedTensorType::get({mlir::ShapedType::kDynamic}, f32)));
  EXPECT_EQ(str(dims), "[B, 3]");
  EXPECT_EQ(numElements(dims).str(), "3*B");
}

} // namespace
