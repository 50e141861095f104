//===- language_golden_test.cpp - Models against PyTorch's results --------===//
//
// Every case of tests/golden, written as tests/models/CASE.mto, elaborated and
// interpreted, must give what PyTorch gave; at other sizes, tensors of the
// shapes its types promise.
//
//===----------------------------------------------------------------------===//

#include "language_test_support.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace mapsto;
using namespace mapsto::test;

static const std::string kRoot = MAPSTO_SOURCE_DIR "/tests/";

static std::vector<std::string> cases() {
  std::vector<std::string> names;
  std::error_code ec;
  for (llvm::sys::fs::directory_iterator it(kRoot + "golden", ec), end;
       it != end && !ec; it.increment(ec)) {
    llvm::StringRef name = llvm::sys::path::filename(it->path());
    if (!name.starts_with("train_") && llvm::sys::fs::is_directory(it->path()))
      names.push_back(name.str());
  }
  std::sort(names.begin(), names.end());
  return names;
}

namespace {
struct Golden : ::testing::TestWithParam<std::string> {
  Compilation c;
  Weights weights;
  std::string folder, error;

  void SetUp() override {
    folder = kRoot + "golden/" + GetParam() + "/";
    std::string path = kRoot + "models/" + GetParam() + ".mto";
    ASSERT_TRUE(c.compile(GetParam() + ".mto", readFile(path)))
        << c.diagnostics.render();
    if (llvm::sys::fs::exists(folder + "weights.safetensors"))
      ASSERT_TRUE(weights.open(folder + "weights.safetensors", error)) << error;
  }
  Interpreter interpreter() {
    return Interpreter([this](llvm::StringRef name) -> mlir::FailureOr<Tensor> {
      const WeightTensor *weight = weights.find(name);
      if (!weight)
        return mlir::failure();
      return toTensor(*weight, c.context);
    });
  }
  Tensor load(const std::string &file) {
    Weights npy;
    EXPECT_TRUE(npy.open(folder + file, error)) << error;
    return npy.tensors().empty() ? Tensor()
                                 : toTensor(npy.tensors()[0], c.context);
  }
};
} // namespace

TEST_P(Golden, MatchesPyTorch) {
  auto main = c.main();
  std::vector<Tensor> inputs;
  std::set<std::string> names;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto name = main.getArgAttrOfType<mlir::StringAttr>(i, kNameAttr);
    ASSERT_TRUE(name);
    names.insert(name.str());
    inputs.push_back(load("in." + name.str() + ".npy"));
  }
  auto results = interpreter().run(main, inputs, error);
  ASSERT_TRUE(mlir::succeeded(results)) << error;

  auto json = llvm::json::parse(readFile(folder + "case.json"));
  ASSERT_TRUE(bool(json));
  for (auto &input : *json->getAsObject()->getObject("inputs"))
    EXPECT_TRUE(names.count(input.first.str())) << input.first.str();
  std::set<std::string> outputs;
  for (unsigned i = 0; i < main.getNumResults(); ++i) {
    std::string name =
        main.getResultAttrOfType<mlir::StringAttr>(i, kNameAttr).str();
    outputs.insert(name);
    Tensor expected = load("out." + name + ".npy");
    const Tensor &actual = (*results)[i];
    ASSERT_EQ(str(actual.shape), str(expected.shape)) << name;
    double largest = 0;
    for (int64_t at = 0; at < expected.size(); ++at)
      largest = std::max(largest, std::abs(expected.number(at)));
    // The reference is f32: 2^-23 of the values, over sums of up to 64 terms.
    double tolerance =
        expected.isFloat() ? 1.2e-7 * 64 * std::max(largest, 1.0) : 0;
    for (int64_t at = 0; at < expected.size(); ++at)
      ASSERT_NEAR(actual.number(at), expected.number(at), tolerance)
          << name << " at " << at;
  }
  for (auto &output : *json->getAsObject()->getObject("outputs"))
    EXPECT_TRUE(outputs.count(output.first.str())) << output.first.str();
}

TEST_P(Golden, KeepsItsShapesAtOtherSizes) {
  auto main = c.main();
  for (int64_t base : {2, 5}) {
    // Every symbol its own size.
    std::map<std::string, int64_t> sizes;
    auto evaluate = [&](mlir::Type type) {
      Shape shape;
      for (const Dim &dim : dimsOf(type))
        shape.push_back(*dim.evaluate([&](llvm::StringRef name) {
          return std::optional(
              sizes.try_emplace(name.str(), base + sizes.size()).first->second);
        }));
      return shape;
    };
    std::mt19937 random(base);
    std::vector<Tensor> inputs;
    for (mlir::Type type : main.getArgumentTypes()) {
      Tensor tensor(mlir::cast<mlir::RankedTensorType>(type).getElementType(),
                    evaluate(type));
      for (double &f : tensor.f)
        f = std::normal_distribution<>()(random);
      for (int64_t &i : tensor.i)
        i = random() % 2;
      inputs.push_back(tensor);
    }
    auto results = interpreter().run(main, inputs, error);
    ASSERT_TRUE(mlir::succeeded(results)) << error;
    for (auto [result, type] : llvm::zip(*results, main.getResultTypes())) {
      EXPECT_EQ(str(result.shape), str(evaluate(type)));
      for (double f : result.f)
        ASSERT_FALSE(std::isnan(f));
    }
  }
}

class AttentionGolden : public Golden {};

/// Nothing but one attention, so that it can be one kernel.
TEST_P(AttentionGolden, StaysOneOp) {
  unsigned attentions = 0;
  for (mlir::Operation &op : c.main().getBody().front()) {
    attentions += mlir::isa<AttentionOp>(op);
    bool isFree = mlir::isa<AttentionOp, ConstantOp, WeightOp, BroadcastOp,
                            ReshapeOp, mlir::func::ReturnOp>(op);
    EXPECT_TRUE(isFree) << op.getName().getStringRef().str();
  }
  EXPECT_EQ(attentions, 1u);
}

/// The cases that are an attention and nothing else.
static std::vector<std::string> attentionCases() {
  std::vector<std::string> names;
  for (const std::string &name : cases())
    if (llvm::StringRef(name).starts_with("attention_") &&
        name != "attention_rnn")
      names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, ::testing::ValuesIn(cases()),
                         [](auto &info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Models, AttentionGolden,
                         ::testing::ValuesIn(attentionCases()),
                         [](auto &info) { return info.param; });
