#include "runtime/dtype.h"
#include "runtime_model.h"

#include <functional>
#include <gtest/gtest.h>
#include <random>

using namespace mapsto;
using namespace mapsto::runtime;

namespace {

/// Bytes at an 8-byte aligned address.
struct Blob {
  std::vector<uint64_t> words;
  uint64_t size;

  explicit Blob(const std::vector<uint8_t> &bytes)
      : words(bytes.size() / 8 + 1), size(bytes.size()) {
    memcpy(words.data(), bytes.data(), bytes.size());
  }
  uint8_t *data() { return reinterpret_cast<uint8_t *>(words.data()); }
  template <typename T> T *section(Section s) {
    auto *header = reinterpret_cast<Header *>(data());
    return reinterpret_cast<T *>(data() + header->sections[size_t(s)].offset);
  }
  const char *open(Manifest &m) {
    const char *wrong = m.open(data(), size);
    return wrong ? wrong : checkShaders(m);
  }
};

Blob accumulate() { return Blob(serialize(test::accumulateModel())); }

TEST(Manifest, ComesBackAsWritten) {
  Blob blob = accumulate();
  Manifest m;
  ASSERT_STREQ(blob.open(m), nullptr);
  EXPECT_STREQ(m.text(m.header().name), "accumulate");
  EXPECT_EQ(m.header().rootCount, 4u);
  ASSERT_EQ(m.inputs.size(), 2u);
  EXPECT_STREQ(m.text(m.inputs[0].doc), "what to scale");
  ASSERT_EQ(m.inputs[0].dims.count, 2u);
  EXPECT_STREQ(m.text(m.exprs[m.list(m.inputs[0].dims)[1]].text), "T");
  ASSERT_EQ(m.kernels.size(), 3u);
  EXPECT_STREQ(m.text(m.kernels[2].symbol), "accumulate");
  Records<uint32_t> ops = m.list(m.kernels[2].ops);
  ASSERT_EQ(ops.size(), 2u);
  EXPECT_STREQ(m.text(m.texts[ops[1]]), "add");
  EXPECT_STREQ(m.text(m.phases[0].stored), "module {}");
  ASSERT_EQ(m.parameters.size(), 1u);
  uint32_t dim = m.list(m.parameters[0].dims)[0];
  EXPECT_STREQ(m.text(m.exprs[dim].text), "4");
}

TEST(Manifest, IsFoundInsideAFile) {
  std::vector<uint8_t> bytes = serialize(test::accumulateModel());
  std::vector<uint8_t> file(4096 + 24, 0x5a);
  memcpy(file.data() + 256, kManifestMagic, 8); // an impostor
  file.insert(file.end(), bytes.begin(), bytes.end());
  file.resize(file.size() + 100);
  Blob blob(file);
  Manifest m;
  ASSERT_TRUE(m.find(blob.data(), blob.size));
  EXPECT_STREQ(m.text(m.header().name), "accumulate");
  Blob nothing(std::vector<uint8_t>(5000));
  EXPECT_FALSE(m.find(nothing.data(), nothing.size));
}

TEST(Manifest, EveryTruncationIsRefused) {
  Blob blob = accumulate();
  Manifest m;
  for (uint64_t size = 0; size < blob.size; ++size)
    EXPECT_NE(m.open(blob.data(), size), nullptr) << size;
}

/// Damages one field at a time: (what, the error).
TEST(Manifest, EveryDamageIsNamed) {
  struct Case {
    const char *error;
    std::function<void(Blob &)> damage;
  };
  auto header = [](Blob &b) { return reinterpret_cast<Header *>(b.data()); };
  const Case cases[] = {
      {"this is not a Mapsto manifest",
       [&](Blob &b) { header(b)->magic[0] = 'X'; }},
      {"the artifact was made by another version of Mapsto",
       [&](Blob &b) { header(b)->version = 99; }},
      {"the manifest is truncated", [&](Blob &b) { header(b)->size += 8; }},
      {"a section lies outside the manifest",
       [&](Blob &b) {
         header(b)->sections[size_t(Section::Steps)].count = 1u << 30;
       }},
      {"a section lies outside the manifest",
       [&](Blob &b) {
         header(b)->sections[size_t(Section::Exprs)].offset = ~7ull;
       }},
      {"a text lies outside the manifest",
       [&](Blob &b) { header(b)->name.offset = 1u << 30; }},
      {"a text lies outside the manifest",
       [&](Blob &b) { header(b)->name.length = ~0u; }},
      {"a text lies outside the manifest",
       [&](Blob &b) {
         b.section<SymbolRecord>(Section::Symbols)->name.length--;
       }},
      {"a size expression has an unknown operator",
       [&](Blob &b) { b.section<ExprOp>(Section::ExprOps)->opcode = 77; }},
      {"a size expression has a bad stack",
       [&](Blob &b) {
         b.section<ExprOp>(Section::ExprOps)->opcode = uint32_t(Opcode::Add);
       }},
      {"a size expression has a bad stack",
       [&](Blob &b) { b.section<ExprRecord>(Section::Exprs)->opCount = 2; }},
      {"a size expression lies outside the manifest",
       [&](Blob &b) { b.section<ExprRecord>(Section::Exprs)->opCount = 0; }},
      {"a size expression names a symbol that does not exist",
       [&](Blob &b) { b.section<ExprOp>(Section::ExprOps)->value = 2; }},
      {"a buffer has an unknown kind",
       [&](Blob &b) { b.section<BufferRecord>(Section::Buffers)->kind = 9; }},
      {"a buffer refers to a tensor that does not exist",
       [&](Blob &b) { b.section<BufferRecord>(Section::Buffers)->index = 2; }},
      {"a buffer refers to a tensor that does not exist",
       [&](Blob &b) { // an alias of itself
         auto &buffer = b.section<BufferRecord>(Section::Buffers)[6];
         buffer.kind = uint32_t(BufferKind::Alias);
         buffer.index = 6;
       }},
      {"a buffer's life ends before it begins",
       [&](Blob &b) {
         b.section<BufferRecord>(Section::Buffers)->firstStep = 5;
       }},
      {"a buffer lies outside the weights",
       [&](Blob &b) {
         b.section<BufferRecord>(Section::Buffers)[5].offset = 17;
       }},
      {"a tensor has an unknown dtype",
       [&](Blob &b) {
         b.section<TensorRecord>(Section::Inputs)->dtype = kDtypeCount;
       }},
      {"a tensor's buffer is of another",
       [&](Blob &b) { b.section<TensorRecord>(Section::Inputs)->buffer = 1; }},
      {"a tensor has more than 16 axes",
       [&](Blob &b) {
         b.section<TensorRecord>(Section::Inputs)->dims.count = 17;
       }},
      {"a list lies outside the manifest",
       [&](Blob &b) {
         b.section<TensorRecord>(Section::Inputs)->dims.first = ~0u;
       }},
      {"a parameter lies outside the weights",
       [&](Blob &b) {
         b.section<ParameterRecord>(Section::Parameters)->size = ~0ull;
       }},
      {"a step launches a kernel that does not exist",
       [&](Blob &b) { b.section<StepRecord>(Section::Steps)->kernel = 3; }},
      {"a step gives a kernel the wrong number of buffers",
       [&](Blob &b) {
         b.section<KernelRecord>(Section::Kernels)->resultCount = ~0u;
       }},
      {"a step writes to a read-only buffer",
       [&](Blob &b) { // the lookup's result becomes an input
         auto &list = b.section<StepRecord>(Section::Steps)->buffers;
         b.section<uint32_t>(Section::Indices)[list.first + 2] = 0;
       }},
      {"a step has an unknown kind",
       [&](Blob &b) { b.section<StepRecord>(Section::Steps)->kind = 4; }},
      {"a copy needs two buffers",
       [&](Blob &b) {
         b.section<StepRecord>(Section::Steps)->kind = uint32_t(StepKind::Copy);
       }},
      {"a step runs beside one that is not there",
       [&](Blob &b) { b.section<StepRecord>(Section::Steps)->beside = 1; }},
      {"a step runs beside one that is not there",
       [&](Blob &b) { // a copy
         b.section<StepRecord>(Section::Steps)[3].beside = 1;
       }},
      {"the schedule is longer than its steps",
       [&](Blob &b) { header(b)->rootCount = 5; }},
      {"a step is in no schedule", [&](Blob &b) { header(b)->rootCount = 3; }},
      {"a state is written from a buffer that does not exist",
       [&](Blob &b) {
         b.section<WriteBackRecord>(Section::WriteBacks)->result = 8;
       }},
  };
  for (const Case &c : cases) {
    Blob blob = accumulate();
    c.damage(blob);
    Manifest m;
    EXPECT_STREQ(blob.open(m), c.error);
  }
  Manifest m;
  Blob blob = accumulate();
  EXPECT_STREQ(m.open(blob.data() + 1, blob.size - 1),
               "the manifest is not aligned");
}

TEST(Manifest, ShadersComeBackAsWritten) {
  Blob blob(serialize(test::shaderModel()));
  Manifest m;
  ASSERT_STREQ(blob.open(m), nullptr);
  ASSERT_EQ(m.shaders.size(), 3u);
  ASSERT_EQ(m.shaders[1].variants.count, 1u);
  EXPECT_EQ(m.variants[m.shaders[1].variants.first].code.first, 2u);
  EXPECT_EQ(m.variants[m.shaders[1].variants.first].code.count, 2u);
  EXPECT_EQ(m.shaderWords[2], 0x07230203u);
  EXPECT_EQ(m.shaders[0].bindingCount, 4u);
  EXPECT_EQ(m.shaders[1].scratchExpr, kNone);
  ASSERT_EQ(m.list(m.shaders[0].pushes).count, 1u);
  EXPECT_STREQ(m.text(m.exprs[m.list(m.shaders[0].pushes)[0]].text), "T");
}

TEST(Manifest, EveryDamageOfAShaderIsNamed) {
  struct Case {
    const char *error;
    std::function<void(ShaderRecord *)> damage;
  };
  const Case cases[] = {
      {"a shader's variants lie outside the manifest",
       [](ShaderRecord *s) { s->variants.count = 4; }},
      {"a shader's variants lie outside the manifest",
       [](ShaderRecord *s) { s->variants.count = 0; }},
      {"a shader's variants lie outside the manifest",
       [](ShaderRecord *s) { s->variants.first = ~0u; }},
      {"a shader takes more sizes than there is room for",
       [](ShaderRecord *s) { s->pushes.count = kMaxPushes + 1; }},
      {"a list lies outside the manifest",
       [](ShaderRecord *s) { s->pushes.first = ~0u; }},
      {"a shader has an unknown form",
       [](ShaderRecord *s) { s->dispatch = 2; }},
      {"a shader has an unknown form",
       [](ShaderRecord *s) { s->workgroupSize = 0; }},
      {"a size expression does not exist",
       [](ShaderRecord *s) { s->itemsExpr = kNone; }},
      {"a size expression does not exist",
       [](ShaderRecord *s) { s->scratchExpr = kNone - 1; }},
      {"a shader has the wrong number of buffers",
       [](ShaderRecord *s) { s->bindingCount = 2; }},
      {"a shader has the wrong number of buffers",
       [](ShaderRecord *s) { s->bindingCount = 5; }},
  };
  for (const Case &c : cases) {
    Blob blob(serialize(test::shaderModel()));
    c.damage(blob.section<ShaderRecord>(Section::Shaders));
    Manifest m;
    EXPECT_STREQ(blob.open(m), c.error);
  }
  ManifestModel some = test::shaderModel();
  some.shaders.pop_back();
  Blob blob(serialize(some));
  Manifest m;
  EXPECT_STREQ(blob.open(m), "some kernels have shaders and some have not");
}

TEST(Manifest, EveryDamageOfAVariantIsNamed) {
  struct Case {
    const char *error;
    std::function<void(VariantRecord *)> damage;
  };
  const Case cases[] = {
      {"a shader lies outside the manifest",
       [](VariantRecord *v) { v->code.count = 7; }},
      {"a shader lies outside the manifest",
       [](VariantRecord *v) { v->code.first = ~0u; }},
      {"a shader's tilings lie outside the manifest",
       [](VariantRecord *v) { v->tilings.count = 1; }},
      {"a size expression does not exist",
       [](VariantRecord *v) { v->whenExpr = kNone - 1; }},
  };
  for (const Case &c : cases) {
    Blob blob(serialize(test::shaderModel()));
    c.damage(blob.section<VariantRecord>(Section::Variants));
    Manifest m;
    EXPECT_STREQ(blob.open(m), c.error);
  }
}

TEST(Manifest, RandomDamageNeverReachesTheRuntime) {
  std::mt19937 random(7);
  for (const ManifestModel &model :
       {test::accumulateModel(), test::shaderModel()}) {
    int refused = 0;
    Blob good(serialize(model));
    for (int round = 0; round < 20000; ++round) {
      Blob blob = good;
      for (int n = 1 + int(random() % 3); n; --n)
        blob.data()[random() % blob.size] = uint8_t(random());
      Manifest m;
      refused += blob.open(m) != nullptr;
    }
    EXPECT_GT(refused, 1000);
  }
}

//===----------------------------------------------------------------------===//
// Lives
//===----------------------------------------------------------------------===//

/// A model of n arena buffers and kernels with one argument and one result.
ManifestModel arenaModel(uint32_t n) {
  ManifestModel m;
  m.name = "lives";
  uint32_t four = m.expr(4);
  for (uint32_t i = 0; i < n; ++i) {
    ManifestBuffer b;
    b.size = four;
    m.buffers.push_back(b);
  }
  ManifestKernel k;
  k.argumentCount = k.resultCount = 1;
  k.grid = k.cost = k.flops = k.bytes = four;
  m.kernels = {k};
  return m;
}

bool meet(const ManifestModel &m, uint32_t a, uint32_t b) {
  return m.buffers[a].firstStep <= m.buffers[b].lastStep &&
         m.buffers[b].firstStep <= m.buffers[a].lastStep;
}

TEST(Lifetimes, AChainLivesInTurns) {
  ManifestModel m = arenaModel(4);
  for (uint32_t i = 0; i < 3; ++i)
    m.steps.push_back(ManifestStep::launch(0, {i, i + 1}));
  computeLifetimes(m);
  EXPECT_TRUE(meet(m, 0, 1));
  EXPECT_FALSE(meet(m, 0, 2));
  EXPECT_FALSE(meet(m, 1, 3));
}

TEST(Lifetimes, WhatALoopNeedsAgainLivesThroughIt) {
  // 0 before the loop and in it; 1, 2 temporaries of the body; 3 carried from
  // 2; 4 read in the body before it is written there; 5 after the loop.
  ManifestModel m = arenaModel(6);
  auto loop = ManifestStep::loop(m.expr(3), {ManifestStep::launch(0, {0, 1}),
                                             ManifestStep::launch(0, {4, 1}),
                                             ManifestStep::launch(0, {3, 2}),
                                             ManifestStep::launch(0, {2, 4})});
  loop.carries = {{2, 3}};
  m.steps = {ManifestStep::launch(0, {5, 0}), loop,
             ManifestStep::launch(0, {3, 5})};
  computeLifetimes(m);
  for (uint32_t held : {0u, 3u, 4u})
    for (uint32_t other : {1u, 2u})
      EXPECT_TRUE(meet(m, held, other)) << held << " " << other;
  EXPECT_FALSE(meet(m, 1, 2));
  EXPECT_TRUE(meet(m, 0, 3));
  Blob blob(serialize(m));
  Manifest manifest;
  EXPECT_STREQ(blob.open(manifest), nullptr);
}

TEST(Lifetimes, LaunchesBesideEachOtherShareAMoment) {
  // 0 -> 1 and 2 -> 3 at once, then 3 -> 4, at the outermost level and in a
  // loop.
  for (bool inLoop : {false, true}) {
    ManifestModel m = arenaModel(5);
    std::vector<ManifestStep> steps = {ManifestStep::launch(0, {0, 1}),
                                       ManifestStep::launch(0, {2, 3}),
                                       ManifestStep::launch(0, {3, 4})};
    steps[1].beside = true;
    m.steps = steps;
    if (inLoop)
      m.steps = {ManifestStep::loop(m.expr(3), steps)};
    computeLifetimes(m);
    for (uint32_t a : {0u, 1u, 2u, 3u})
      for (uint32_t b : {0u, 1u, 2u, 3u})
        EXPECT_TRUE(meet(m, a, b)) << a << " " << b;
    EXPECT_FALSE(meet(m, 1, 4));
    EXPECT_TRUE(meet(m, 3, 4));
    Blob blob(serialize(m));
    Manifest manifest;
    ASSERT_STREQ(blob.open(manifest), nullptr);
    EXPECT_EQ(manifest.steps[inLoop + 1].beside, 1u);
    EXPECT_EQ(manifest.steps[inLoop + 2].beside, 0u);
  }
}

TEST(Lifetimes, AliasesAndWriteBacksKeepTheirBuffer) {
  ManifestModel m = arenaModel(4);
  m.buffers[2].kind = BufferKind::Alias;
  m.buffers[2].index = 1;
  m.buffers[2].start = m.expr(0);
  m.steps = {ManifestStep::launch(0, {0, 1}), ManifestStep::launch(0, {0, 3}),
             ManifestStep::launch(0, {2, 3})};
  m.writeBacks = {{0, 0}};
  computeLifetimes(m);
  EXPECT_TRUE(meet(m, 1, 3)); // through the alias
  EXPECT_TRUE(meet(m, 0, 3)); // to the end
}

TEST(Lifetimes, NestedLoopsAreOneTree) {
  ManifestModel m = arenaModel(2);
  auto inner = ManifestStep::loop(m.expr(2), {ManifestStep::launch(0, {0, 1})});
  auto outer = ManifestStep::loop(m.expr(2), {inner, inner});
  m.steps = {outer, ManifestStep::launch(0, {0, 1}), outer};
  computeLifetimes(m);
  Blob blob(serialize(m));
  Manifest manifest;
  ASSERT_STREQ(blob.open(manifest), nullptr);
  EXPECT_EQ(manifest.steps.size(), 11u);
  // Too deep is refused.
  for (int i = 0; i < 20; ++i)
    inner = ManifestStep::loop(m.expr(1), {inner});
  m.steps = {inner};
  Blob deep(serialize(m));
  EXPECT_STREQ(deep.open(manifest), "loops are nested too deeply");
}

} // namespace
