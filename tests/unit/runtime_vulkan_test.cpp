// Sessions on a Vulkan device, by the C API: loops, states that stay there,
// several threads, a device that is lost. The model is made by hand, so that
// the tsan preset can have it too.
#include "runtime_session_support.h"
#include "runtime_vulkan_shader.h"

#include "runtime/backend.h"
#include "runtime/vulkan/device.h"

#include <gtest/gtest.h>

using namespace mapsto;
using runtime::BufferKind;
using test::Model;

namespace {

void add(void *const *buffers, const int64_t *, void *, int64_t begin,
         int64_t end, mapsto_kernel_context *) {
  for (int64_t i = begin; i < end; ++i)
    static_cast<float *>(buffers[2])[i] =
        static_cast<const float *>(buffers[0])[i] +
        static_cast<const float *>(buffers[1])[i];
}
constexpr mapsto_kernel_fn kKernels[] = {add};

/// state total; y = total; repeat R { y = y + x }; total = y
ManifestModel sumsModel() {
  ManifestModel m;
  m.name = "sums";
  m.symbols = {{"N"}, {"R"}};
  uint32_t n = m.expr(ManifestExpr::symbol(0, "N"));
  uint32_t rounds = m.expr(ManifestExpr::symbol(1, "R"));
  uint32_t eight = m.expr(8);
  uint32_t bytes =
      m.expr(ManifestExpr::constant(4) * ManifestExpr::symbol(0, "N"));
  enum { X, Y, Rounds, Total, Sum, Next };
  m.inputs = {{"x", "", MAPSTO_F32, {n}, X}};
  m.outputs = {{"y", "", MAPSTO_F32, {n}, Y},
               {"rounds", "", MAPSTO_I64, {}, Rounds}};
  m.states = {{"total", "", MAPSTO_F32, {n}, Total}};
  m.buffers = {{"x", "f32[N]", BufferKind::Input, 0, 0, bytes},
               {"y", "f32[N]", BufferKind::Output, 0, 0, bytes},
               {"rounds", "i64[]", BufferKind::Output, 1, 0, eight},
               {"total", "f32[N]", BufferKind::State, 0, 0, bytes},
               {"sum", "f32[N]", BufferKind::Arena, 0, 0, bytes},
               {"next", "f32[N]", BufferKind::Arena, 0, 0, bytes}};
  ManifestKernel k;
  k.symbol = "add";
  k.argumentCount = 2;
  k.resultCount = 1;
  k.grid = k.flops = k.bytes = n;
  m.kernels = {k};
  ManifestShader shader;
  shader.variants = {
      {{std::begin(test::kAddShader), std::end(test::kAddShader)}}};
  shader.pushes = {n};
  shader.items = n;
  shader.bindingCount = 3;
  m.shaders = {shader};
  auto loop =
      ManifestStep::loop(rounds, {ManifestStep::launch(0, {Sum, X, Next})});
  loop.counter = Rounds;
  loop.carries = {{Next, Sum}};
  m.steps = {ManifestStep::copy(Total, Sum), loop, ManifestStep::copy(Sum, Y)};
  m.writeBacks = {{0, Y}};
  computeLifetimes(m);
  return m;
}

/// An artifact of it, and a session on the device.
struct Sums : Model {
  Sums()
      : Model(sumsModel(), kKernels, nullptr, nullptr, &mapsto_vulkan_backend) {
    EXPECT_EQ(mapsto_session_set_device(session, "vulkan"), MAPSTO_OK)
        << error();
  }
};

/// A run of R rounds over n elements that are all `x`; the result's elements,
/// or -1 where something is wrong.
float run(mapsto_session *session, int64_t n, int64_t rounds, float x) {
  std::vector<float> data(size_t(n), x);
  mapsto_tensor y, done;
  if (mapsto_session_bind_input(session, 0, MAPSTO_F32, &n, 1, data.data()) ||
      mapsto_session_set_dim(session, "R", rounds) ||
      mapsto_session_run(session) || mapsto_session_output(session, 0, &y) ||
      mapsto_session_output(session, 1, &done) ||
      *static_cast<const int64_t *>(done.data) != rounds)
    return -1;
  const float *got = static_cast<const float *>(y.data);
  for (int64_t i = 1; i < n; ++i)
    if (got[i] != got[0])
      return -1;
  return got[0];
}

float readTotal(mapsto_session *session) {
  mapsto_tensor total;
  if (mapsto_session_read_state(session, 0, &total))
    return -1;
  return *static_cast<const float *>(total.data);
}

class Vulkan : public testing::Test {
protected:
  void SetUp() override {
    if (const char *why = runtime::vulkan::whyNoDevice())
      GTEST_SKIP() << why;
  }
};

TEST_F(Vulkan, LoopsRunAsOftenAsTheyShould) {
  Sums m;
  float total = 0;
  for (int64_t rounds : {0, 1, 5, 2, 2}) {
    total += float(rounds);
    EXPECT_EQ(run(m.session, 100, rounds, 1), total) << rounds << m.error();
  }
}

TEST_F(Vulkan, StatesCrossOverWhenSomebodyLooks) {
  Sums m;
  EXPECT_EQ(run(m.session, 10, 3, 2), 6);
  EXPECT_EQ(readTotal(m.session), 6);
  EXPECT_EQ(run(m.session, 10, 1, 2), 8);
  std::vector<float> given(10, 100);
  int64_t n = 10;
  ASSERT_EQ(
      mapsto_session_write_state(m.session, 0, MAPSTO_F32, &n, 1, given.data()),
      MAPSTO_OK);
  EXPECT_EQ(run(m.session, 10, 1, 2), 102);
  // To the CPU and back again.
  ASSERT_EQ(mapsto_session_set_device(m.session, "cpu"), MAPSTO_OK);
  EXPECT_EQ(run(m.session, 10, 2, 1), 104);
  ASSERT_EQ(mapsto_session_set_device(m.session, "vulkan:0"), MAPSTO_OK);
  EXPECT_EQ(run(m.session, 10, 2, 1), 106);
  // Its size is settled until a reset.
  EXPECT_EQ(run(m.session, 1000, 1, 1), -1);
  ASSERT_EQ(mapsto_session_reset(m.session), MAPSTO_OK);
  EXPECT_EQ(run(m.session, 1000, 1, 1), 1);
  EXPECT_EQ(run(m.session, 1000, 1, 1), 2);
}

TEST_F(Vulkan, NothingIsRunOnNothing) {
  Sums m;
  int64_t n = 0;
  mapsto_tensor y;
  ASSERT_EQ(m.bind(0, MAPSTO_F32, {n}, nullptr), MAPSTO_OK);
  mapsto_session_set_dim(m.session, "R", 3);
  EXPECT_EQ(m.run(), "");
  ASSERT_EQ(mapsto_session_output(m.session, 0, &y), MAPSTO_OK);
  EXPECT_EQ(y.bytes, 0u);
}

TEST_F(Vulkan, SessionsRunBesideEachOther) {
  Sums m;
  auto holds = [](mapsto_session *session, int caller) {
    bool all = !mapsto_session_set_device(session, "vulkan");
    for (int turn = 0; turn < 10; ++turn) { // sizes change and come back
      int64_t n = 1 + (caller + turn) % 3 * 100;
      mapsto_session_reset(session);
      all &= run(session, n, 3, float(caller)) == 3 * float(caller);
      all &= run(session, n, 1, 1) == 3 * float(caller) + 1;
    }
    return all;
  };
  EXPECT_EQ(test::sessionsThatHold(m.artifact, 4, holds), 4);
}

VkResult VKAPI_PTR loseDevice(VkQueue, uint32_t, const VkSubmitInfo *,
                              VkFence) {
  return VK_ERROR_DEVICE_LOST;
}

TEST_F(Vulkan, AfterALossSessionsGetTheDeviceAnew) {
  Sums m;
  EXPECT_EQ(run(m.session, 10, 1, 1), 1);
  runtime::String error;
  runtime::vulkan::Device *device = runtime::vulkan::openDevice(0, error);
  ASSERT_NE(device, nullptr) << error.c_str();
  device->vk.vkQueueSubmit = loseDevice;
  EXPECT_EQ(run(m.session, 10, 1, 1), -1);
  EXPECT_NE(m.error().find("the device was lost"), std::string::npos)
      << m.error();
  // What it held is gone.
  EXPECT_EQ(mapsto_session_set_device(m.session, "vulkan"), MAPSTO_RUN_FAILED);
  mapsto_session_reset(m.session);
  ASSERT_EQ(mapsto_session_set_device(m.session, "vulkan"), MAPSTO_OK)
      << m.error();
  EXPECT_EQ(run(m.session, 10, 2, 1), 2);
}

} // namespace
