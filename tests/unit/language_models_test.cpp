//===- language_models_test.cpp - Larger models, interpreted --------------===//
//
// The stories model against the reference logits (skipped where the weights
// are absent), with and without its key/value cache.
//
//===----------------------------------------------------------------------===//

#include "language_test_support.h"

#include "llvm/Support/FileSystem.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mapsto;
using namespace mapsto::test;

static const std::string kStories =
    MAPSTO_SOURCE_DIR "/../shared/models/stories260K/";

namespace {
struct Stories : ::testing::Test {
  Weights weights;
  std::string error;

  void SetUp() override {
    if (!llvm::sys::fs::exists(kStories + "stories260K.safetensors"))
      GTEST_SKIP() << "no " << kStories;
    ASSERT_TRUE(weights.open(kStories + "stories260K.safetensors", error))
        << error;
  }
  void compile(Compilation &c, const std::string &model) {
    LanguageOptions options;
    options.model = model;
    options.args["max_length"] = "64";
    ASSERT_TRUE(c.compile(
        "stories260K.mto",
        readFile(MAPSTO_SOURCE_DIR "/examples/stories260K.mto"), options))
        << c.diagnostics.render();
  }
  std::vector<Tensor> run(Compilation &c, const std::vector<Tensor> &inputs) {
    Interpreter interpreter(
        [&](llvm::StringRef name) -> mlir::FailureOr<Tensor> {
          const WeightTensor *weight = weights.find(name);
          if (!weight)
            return mlir::failure();
          return toTensor(*weight, c.context);
        });
    auto results = interpreter.run(c.main(), inputs, error);
    EXPECT_TRUE(mlir::succeeded(results)) << error;
    return mlir::succeeded(results) ? *results : std::vector<Tensor>();
  }
  Tensor load(Compilation &c, const std::string &file) {
    Weights npy;
    EXPECT_TRUE(npy.open(kStories + file, error)) << error;
    return toTensor(npy.tensors()[0], c.context);
  }
};

/// Zeros for the states of a batch of one.
std::vector<Tensor> initialStates(Compilation &c) {
  std::vector<Tensor> states;
  auto main = c.main();
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    if (main.getArgAttr(i, kStateAttr)) {
      Shape shape;
      for (const Dim &dim : dimsOf(main.getArgument(i)))
        shape.push_back(dim.constant().value_or(1));
      states.emplace_back(mapsto::elementTypeOf(main.getArgument(i)), shape);
    }
  return states;
}
} // namespace

TEST_F(Stories, LogitsMatch) {
  for (std::string folder : {"ref_stories260K/", "ref_stories260K_b2s17/"}) {
    Compilation c;
    compile(c, "");
    auto results = run(c, {load(c, folder + "in_0.npy")});
    ASSERT_EQ(results.size(), 1u);
    Tensor expected = load(c, folder + "out_0.npy");
    ASSERT_EQ(str(results[0].shape), str(expected.shape));
    for (int64_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(results[0].number(i), expected.number(i), 2e-3) << i;
  }
}

TEST_F(Stories, StepsGiveTheSameLogits) {
  Compilation c;
  compile(c, "Llama.step");
  Tensor ids = load(c, "ref_stories260K/in_0.npy");
  Tensor expected = load(c, "ref_stories260K/out_0.npy");
  std::vector<Tensor> state = initialStates(c);
  ASSERT_EQ(state.size(), 11u);
  int64_t at = 0;
  for (int64_t length : {5, 1, 1, 4}) {
    Tensor part(ids.elementType, {1, length});
    std::copy_n(ids.i.begin() + at, length, part.i.begin());
    std::vector<Tensor> inputs = {part};
    inputs.insert(inputs.end(), state.begin(), state.end());
    auto results = run(c, inputs);
    ASSERT_EQ(results.size(), 12u);
    for (int64_t i = 0; i < results[0].size(); ++i)
      ASSERT_NEAR(results[0].f[i], expected.f[at * 512 + i], 2e-3);
    state.assign(results.begin() + 1, results.end());
    at += length;
  }
}

TEST_F(Stories, GeneratesWhatRecomputingGives) {
  Compilation c, whole;
  LanguageOptions options;
  options.model = "Llama.generate";
  options.args = {{"max_length", "32"}, {"length", "6"}};
  ASSERT_TRUE(c.compile("stories260K.mto",
                        readFile(MAPSTO_SOURCE_DIR "/examples/stories260K.mto"),
                        options))
      << c.diagnostics.render();
  compile(whole, "");
  Tensor ids(mlir::IntegerType::get(&c.context, 64), {1, 3});
  ids.i = {1, 403, 407};
  std::vector<Tensor> inputs = {ids};
  for (Tensor &state : initialStates(c))
    inputs.push_back(state);
  auto tokens = run(c, inputs);
  ASSERT_FALSE(tokens.empty());
  ASSERT_EQ(tokens[0].size(), 6);
  for (int64_t i = 0; i < 6; ++i) {
    Tensor all(mlir::IntegerType::get(&whole.context, 64),
               {1, int64_t(ids.i.size())});
    all.i = ids.i;
    auto logits = run(whole, {all});
    ASSERT_EQ(logits.size(), 1u);
    auto last = logits[0].f.end() - 512;
    int64_t best = std::max_element(last, logits[0].f.end()) - last;
    EXPECT_EQ(tokens[0].i[i], best) << i;
    ids.i.push_back(best);
  }
}
