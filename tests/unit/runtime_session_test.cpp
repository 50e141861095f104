#include "runtime_model.h"
#include "runtime_model_kernels.h"
#include "runtime_session_support.h"

#include "runtime/cpu_features.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace mapsto;
using runtime::BufferKind;
using test::Model;

/// Sanitized builds too must survive an allocation that cannot be met.
extern "C" const char *__asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" const char *__tsan_default_options() {
  return "allocator_may_return_null=1";
}

namespace {

struct Accumulate : testing::Test {
  Model m{test::accumulateModel(), accumulate_kernels, accumulate_table};
  float x[6] = {1, 2, 3, 4, 5, 6};
  int64_t ids[3] = {0, 1, 2};

  void bindAll(int64_t b, int64_t t) {
    EXPECT_EQ(m.bind(0, MAPSTO_F32, {b, t}, x), MAPSTO_OK) << m.error();
    EXPECT_EQ(m.bind(1, MAPSTO_I64, {t}, ids), MAPSTO_OK) << m.error();
  }
};

TEST_F(Accumulate, Runs) {
  bindAll(2, 3);
  ASSERT_EQ(m.run(), "");
  EXPECT_EQ(m.output<float>(0), (std::vector<float>{1, 20, 300, 4, 50, 600}));
  EXPECT_EQ(m.output<float>(1), (std::vector<float>{321, 654}));
}

TEST_F(Accumulate, RunsAtEverySize) {
  for (int64_t t : {0, 1, 3, 2}) {
    mapsto_session_reset(m.session);
    bindAll(2, t);
    ASSERT_EQ(m.run(), "");
    EXPECT_EQ(m.output<float>(0).size(), size_t(2 * t));
    EXPECT_EQ(m.output<float>(1)[0], t == 0   ? 0
                                     : t == 1 ? 1
                                     : t == 2 ? 21
                                              : 321);
  }
  mapsto_session_reset(m.session);
  bindAll(0, 3);
  EXPECT_EQ(m.run(), "");
  EXPECT_TRUE(m.output<float>(1).empty());
  ASSERT_EQ(m.bind(0, MAPSTO_F32, {0, 3}, nullptr), MAPSTO_OK);
  EXPECT_EQ(m.run(), "");
}

TEST_F(Accumulate, NamesAClash) {
  EXPECT_EQ(m.bind(0, MAPSTO_F32, {2, 3}, x), MAPSTO_OK);
  EXPECT_EQ(m.bind(1, MAPSTO_I64, {2}, ids), MAPSTO_OK);
  EXPECT_EQ(m.run(),
            "`T` is 3 in input `x` (axis 1) but 2 in input `ids` (axis 0)");
  bindAll(2, 3);
  EXPECT_EQ(m.run(), "");
  bindAll(1, 3);
  EXPECT_EQ(m.run(), "`B` is 1 in input `x` (axis 0) but 2 in state `total` "
                     "(axis 0), kept from before");
  EXPECT_EQ(mapsto_session_set_dim(m.session, "T", 2), MAPSTO_OK);
  EXPECT_EQ(m.run(), "`T` is 2 as it was set but 3 in input `x` (axis 1)");
}

TEST_F(Accumulate, RefusesWrongArguments) {
  auto refused = [&](mapsto_status status, const char *error) {
    EXPECT_EQ(status, MAPSTO_INVALID);
    EXPECT_EQ(m.error(), error);
  };
  refused(m.bind(0, MAPSTO_F64, {2, 3}, x),
          "input `x` is f64 but must be f32[B, T]");
  refused(m.bind(0, MAPSTO_F32, {6}, x),
          "input `x` has shape [6] but must be f32[B, T]");
  refused(m.bind(0, MAPSTO_F32, {2, -3}, x),
          "input `x` has shape [2, -3] but must be f32[B, T]: a size is "
          "negative or overflows");
  refused(m.bind(0, MAPSTO_F32, {INT64_MAX, 3}, x),
          "input `x` has shape [9223372036854775807, 3] but must be f32[B, T]: "
          "a size is negative or overflows");
  refused(m.bind(0, MAPSTO_F32, {2, 3}, nullptr), "input `x` has no data");
  refused(m.bind(7, MAPSTO_F32, {2, 3}, x), "`accumulate` has no input 7");
  refused(mapsto_session_set_dim(m.session, "Q", 1),
          "`accumulate` has no symbolic size `Q`");
  refused(mapsto_session_set_dim(m.session, "T", -1), "`T` cannot be -1");
  refused(mapsto_session_set_threads(m.session, -1), "-1 threads are too few");
  mapsto_tensor t;
  refused(mapsto_session_output(m.session, 0, &t),
          "there is no output before a run has succeeded");
  refused(mapsto_session_read_state(m.session, 0, &t),
          "state `total` has no shape before the first run");
  bindAll(2, 3);
  float small[1];
  mapsto_session_bind_output(m.session, 0, small, sizeof small);
  EXPECT_EQ(m.run(), "output `y` has shape [2, 3] and takes 24 bytes, but 4 "
                     "are bound to it");
}

TEST_F(Accumulate, FailedKernelsNameThePlace) {
  ids[1] = 4;
  bindAll(2, 3);
  EXPECT_EQ(mapsto_session_run(m.session), MAPSTO_RUN_FAILED);
  EXPECT_EQ(m.error(),
            "accumulate.mto:3:13: index 4 is out of range: it must be at least "
            "0 and below 4 (kernel lookup)");
  mapsto_tensor t;
  EXPECT_EQ(mapsto_session_output(m.session, 0, &t), MAPSTO_INVALID);
  ids[1] = 1;
  EXPECT_EQ(m.run(), ""); // and go on
}

TEST_F(Accumulate, KeepsReadsAndWritesState) {
  bindAll(2, 3);
  float start[] = {1000, 2000};
  int64_t two = 2;
  EXPECT_EQ(
      mapsto_session_write_state(m.session, 0, MAPSTO_F32, &two, 1, start),
      MAPSTO_OK);
  EXPECT_EQ(m.run(), "");
  EXPECT_EQ(m.output<float>(1), (std::vector<float>{1321, 2654}));
  EXPECT_EQ(m.run(), "");
  mapsto_tensor t;
  EXPECT_EQ(mapsto_session_read_state(m.session, 0, &t), MAPSTO_OK);
  EXPECT_EQ(static_cast<float *>(t.data)[0], 1642);
  static_cast<float *>(t.data)[0] = 0; // changed in place and written back
  EXPECT_EQ(
      mapsto_session_write_state(m.session, 0, t.dtype, t.dims, t.rank, t.data),
      MAPSTO_OK);
  EXPECT_EQ(m.run(), "");
  EXPECT_EQ(m.output<float>(1)[0], 321);
  mapsto_session_reset(m.session);
  EXPECT_EQ(m.run(), "");
  EXPECT_EQ(m.output<float>(1)[0], 321);
}

TEST_F(Accumulate, TellsWhatStepsCost) {
  std::vector<mapsto_step_time> steps;
  test::collectSteps(m.session, steps);
  bindAll(2, 3);
  EXPECT_EQ(m.run(), "");
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[1].kernel, 1u);
  EXPECT_EQ(steps[1].flops, 6);
  EXPECT_EQ(steps[1].bytes, 24);
  EXPECT_GE(steps[1].start_ns, steps[0].end_ns);
  EXPECT_EQ(steps[1].threads, 1);
}

//===----------------------------------------------------------------------===//
// Schedules
//===----------------------------------------------------------------------===//

void addOne(void *const *buffers, const int64_t *, void *, int64_t, int64_t,
            mapsto_kernel_context *) {
  *static_cast<int64_t *>(buffers[1]) =
      *static_cast<const int64_t *>(buffers[0]) + 1;
}
/// stop = value >= 5
void atLeastFive(void *const *buffers, const int64_t *, void *, int64_t,
                 int64_t, mapsto_kernel_context *) {
  *static_cast<char *>(buffers[1]) =
      *static_cast<const int64_t *>(buffers[0]) >= 5;
}
constexpr mapsto_kernel_fn kLoopKernels[] = {addOne, atLeastFive};

/// value = start; repeat N { value = value + 1; stop if value >= 5 }
/// gives value and the number of iterations.
ManifestModel loopModel(bool stops) {
  ManifestModel m;
  m.name = "count";
  m.symbols = {{"N"}};
  uint32_t n = m.expr(ManifestExpr::symbol(0, "N"));
  uint32_t eight = m.expr(8), one = m.expr(1);
  m.inputs = {{"start", "", MAPSTO_I64, {}, 0}};
  m.outputs = {{"value", "", MAPSTO_I64, {}, 1},
               {"iterations", "", MAPSTO_I64, {}, 2}};
  m.buffers = {{"start", "i64[]", BufferKind::Input, 0, 0, eight},
               {"value", "i64[]", BufferKind::Output, 0, 0, eight},
               {"iterations", "i64[]", BufferKind::Output, 1, 0, eight},
               {"next", "i64[]", BufferKind::Arena, 0, 0, eight},
               {"stop", "bool[]", BufferKind::Arena, 0, 0, one}};
  for (const char *name : {"add", "test"}) {
    ManifestKernel k;
    k.symbol = name;
    k.argumentCount = k.resultCount = 1;
    k.grid = k.cost = k.flops = k.bytes = one;
    m.kernels.push_back(k);
  }
  auto loop = ManifestStep::loop(
      n, {ManifestStep::launch(0, {1, 3}), ManifestStep::launch(1, {3, 4})});
  loop.counter = 2;
  loop.stop = stops ? 4 : kNoId;
  loop.carries = {{3, 1}};
  m.steps = {ManifestStep::copy(0, 1), loop};
  computeLifetimes(m);
  return m;
}

TEST(Loop, CountsCarriesAndStops) {
  for (bool stops : {false, true})
    for (int64_t n : {0, 1, 3, 10}) {
      Model m(loopModel(stops), kLoopKernels);
      int64_t start = 1;
      ASSERT_EQ(m.bind(0, MAPSTO_I64, {}, &start), MAPSTO_OK) << m.error();
      EXPECT_EQ(m.run(), "no input says how large `N` is: set it, e.g. --dim "
                         "N=16");
      ASSERT_EQ(mapsto_session_set_dim(m.session, "N", n), MAPSTO_OK);
      ASSERT_EQ(m.run(), "");
      int64_t done = stops ? std::min<int64_t>(n, 4) : n;
      EXPECT_EQ(m.output<int64_t>(0)[0], start + done);
      EXPECT_EQ(m.output<int64_t>(1)[0], done);
    }
}

TEST(Shapes, DefaultsBindWhatIsLeft) {
  ManifestModel model = loopModel(false);
  model.symbols[0].defaultValue = 6;
  Model m(model, kLoopKernels);
  int64_t start = 0;
  m.bind(0, MAPSTO_I64, {}, &start);
  ASSERT_EQ(m.run(), "");
  EXPECT_EQ(m.output<int64_t>(0)[0], 6);
}

/// A model without kernels: (x: f32[A, <dim>]) -> (y: f32[<out>]).
ManifestModel shapeModel(const ManifestExpr &dim, const ManifestExpr &out) {
  ManifestModel m;
  m.name = "shapes";
  m.symbols = {{"A"}};
  uint32_t a = m.expr(ManifestExpr::symbol(0, "A"));
  auto four = ManifestExpr::constant(4);
  m.inputs = {{"x", "", MAPSTO_F32, {a, m.expr(dim)}, 0}};
  m.outputs = {{"y", "", MAPSTO_F32, {m.expr(out)}, 1}};
  m.buffers = {{"x", "", BufferKind::Input, 0, 0,
                m.expr(four * ManifestExpr::symbol(0, "A") * dim)},
               {"y", "", BufferKind::Output, 0, 0, m.expr(four * out)}};
  return m;
}

TEST(Shapes, ExpressionsAreCheckedAndShown) {
  auto a = ManifestExpr::symbol(0, "A");
  auto one = ManifestExpr::constant(1), five = ManifestExpr::constant(5);
  float x[100] = {};
  {
    Model m(shapeModel(a + one, a), nullptr);
    m.bind(0, MAPSTO_F32, {3, 4}, x);
    EXPECT_EQ(m.run(), "");
    m.bind(0, MAPSTO_F32, {3, 5}, x);
    EXPECT_EQ(m.run(), "input `x` has shape [3, 5], but axis 1 must be A + 1 = "
                       "4 with A = 3");
  }
  {
    Model m(shapeModel(five, a - five), nullptr);
    m.bind(0, MAPSTO_F32, {3, 5}, x);
    EXPECT_EQ(m.run(), "output `y` would have size -2 on axis 0 (A - 5 with A "
                       "= 3)");
    m.bind(0, MAPSTO_F32, {3, 4}, x);
    EXPECT_EQ(m.run(), "input `x` has shape [3, 4], but axis 1 must be 5");
  }
  {
    auto huge = ManifestExpr::constant(INT64_MAX);
    Model m(shapeModel(five, a * huge), nullptr);
    m.bind(0, MAPSTO_F32, {3, 5}, x);
    EXPECT_EQ(m.run(), "A*9223372036854775807 overflows with A = 3");
    m.bind(0, MAPSTO_F32, {1, 5}, x);
    EXPECT_EQ(m.run(), "output `y` would be too large: [9223372036854775807]");
  }
  {
    auto large = ManifestExpr::constant(int64_t(1) << 60);
    Model m(shapeModel(five, a * large), nullptr);
    m.bind(0, MAPSTO_F32, {1, 5}, x);
    EXPECT_EQ(mapsto_session_run(m.session), MAPSTO_OUT_OF_MEMORY);
    EXPECT_EQ(m.error(),
              "out of memory: outputs take 4611686018427387904 bytes");
  }
}

TEST(Shapes, ChecksSayWhere) {
  auto a = ManifestExpr::symbol(0, "A"), four = ManifestExpr::constant(4);
  ManifestModel model = shapeModel(four, a);
  model.checks = {{runtime::CheckKind::AtLeast, model.expr(a), model.expr(four),
                   "the window at m.mto:3:4"}};
  Model m(model, nullptr);
  float x[100] = {};
  m.bind(0, MAPSTO_F32, {3, 4}, x);
  EXPECT_EQ(m.run(), "A (3 with A = 3) must be at least 4 (4)\n  the window at "
                     "m.mto:3:4");
  m.bind(0, MAPSTO_F32, {4, 4}, x);
  EXPECT_EQ(m.run(), "");
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

TEST(Artifact, RefusesWhatItCannotRun) {
  ManifestModel model = test::accumulateModel();
  model.features = {"avx2", "fantasy9000"}; // unknown ones count as present
  {
    Model m(model, accumulate_kernels, accumulate_table);
    EXPECT_EQ(m.artifact != nullptr, runtime::cpuHas("avx2"));
  }
  mapsto_artifact *artifact;
  Model good(test::accumulateModel(), accumulate_kernels, accumulate_table);
  auto refused = [&](mapsto_image image, const char *error) {
    EXPECT_EQ(mapsto_artifact_from_image(&image, nullptr, &artifact),
              MAPSTO_BAD_ARTIFACT);
    EXPECT_STREQ(mapsto_last_error(), error);
    EXPECT_EQ(artifact, nullptr);
  };
  mapsto_image image = good.image;
  image.magic = 7;
  refused(image, "this is not a compiled Mapsto model");
  image = good.image;
  image.version = 99;
  refused(image, "the artifact was made by another version of Mapsto");
  image = good.image;
  image.manifest_size -= 8;
  refused(image, "the artifact is damaged: the manifest is truncated");
  image = good.image;
  image.kernel_count = 2;
  refused(image, "the artifact is damaged: it has 2 kernels, but 3 are "
                 "described");
  image = good.image;
  image.weights_size = 8;
  refused(image, "the artifact is damaged: its weights have another size than "
                 "described");
  image = good.image;
  image.weights = nullptr;
  refused(image, "the artifact is damaged: it has no weights");
}

#if defined(__x86_64__)
TEST(Artifact, SaysWhichFeaturesAreMissing) {
  ManifestModel model = test::accumulateModel();
  model.cpu = "futuristic";
  model.features = {"sse3", "xop", "fma4"}; // gone from CPUs since 2017
  if (runtime::cpuHas("xop"))
    GTEST_SKIP();
  Model m(model, accumulate_kernels, accumulate_table);
  EXPECT_EQ(m.artifact, nullptr);
  EXPECT_STREQ(mapsto_last_error(),
               "`accumulate` was compiled for futuristic, but this CPU lacks "
               "xop, fma4; compile it with another --cpu");
}
#endif

TEST(Artifact, FindsWeightsBesideIt) {
  ManifestModel model = test::accumulateModel();
  model.weightsFile =
      "runtime_session_test." + std::to_string(getpid()) + ".weights";
  model.weightsId = 42;
  std::string directory = testing::TempDir();
  std::string path = directory + "/" + model.weightsFile;
  auto write = [&](uint64_t id, size_t bytes) {
    std::ofstream file(path, std::ios::binary);
    auto header = weightsFileHeader(id, 16);
    file.write(reinterpret_cast<const char *>(&header), sizeof header);
    file.write(reinterpret_cast<const char *>(accumulate_table), long(bytes));
  };
  auto open = [&] {
    Model m(model, accumulate_kernels, nullptr, directory.c_str());
    return m.artifact ? std::string() : std::string(mapsto_last_error());
  };
  unlink(path.c_str());
  EXPECT_EQ(open(), path + ": No such file or directory; `accumulate` needs "
                           "its weights there");
  write(43, 16);
  EXPECT_EQ(open(), path + ": these weights belong to another artifact than "
                           "`accumulate`");
  write(42, 12);
  EXPECT_EQ(open(), path + ": the file is damaged: 76 bytes where there should "
                           "be 80");
  write(42, 16);
  {
    Model m(model, accumulate_kernels, nullptr, directory.c_str());
    ASSERT_NE(m.artifact, nullptr) << mapsto_last_error();
    float x[] = {1};
    int64_t ids[] = {3};
    m.bind(0, MAPSTO_F32, {1, 1}, x);
    m.bind(1, MAPSTO_I64, {1}, ids);
    ASSERT_EQ(m.run(), "");
    EXPECT_EQ(m.output<float>(0)[0], 1000);
  }
  std::ofstream(path) << "garbage";
  EXPECT_EQ(open(), path + ": not a Mapsto weights file");
  unlink(path.c_str());
}

TEST(Artifact, LivesAsLongAsItsSessions) {
  Model m(test::accumulateModel(), accumulate_kernels, accumulate_table);
  mapsto_artifact_close(m.artifact);
  m.artifact = nullptr;
  EXPECT_EQ(mapsto_session_set_dim(m.session, "T", 3), MAPSTO_OK);
  EXPECT_EQ(m.run(), "input `x` (f32[B, T]) is missing");
}

} // namespace
