// Which variant and which tiling of a shader a device gets. The devices are
// made up: only their limits are asked.
#include "runtime_model.h"
#include "runtime_session_support.h"

#include "runtime/artifact.h"
#include "runtime/vulkan/device.h"
#include "runtime/vulkan/program.h"

#include <gtest/gtest.h>

using namespace mapsto;
using runtime::ShaderFeature;

namespace {

void nothing(void *const *, const int64_t *, void *, int64_t, int64_t,
             mapsto_kernel_context *) {}
constexpr mapsto_kernel_fn kKernels[] = {nothing, nothing, nothing};

constexpr float kWeights[4] = {};

constexpr uint32_t k16x16x16 = runtime::matrixSizes(16, 16, 16);
constexpr uint32_t k8x8x8 = runtime::matrixSizes(8, 8, 8);

/// A product of T rows: variants with matrices (from 9 rows on), with subgroups
/// and plain.
ManifestModel product() {
  ManifestModel m = test::shaderModel();
  uint32_t t = m.expr(ManifestExpr::symbol(1, "T"));
  uint32_t beyond8 =
      m.expr(ManifestExpr::symbol(1, "T") - ManifestExpr::constant(8));
  ManifestVariant matrices{.words = {1}};
  matrices.features = uint32_t(ShaderFeature::Matrices);
  matrices.when = beyond8;
  matrices.tilings = {{4, 20000, t, kNoId, {}, k16x16x16},
                      {4, 10000, t, kNoId, {}, k8x8x8}};
  ManifestVariant subgroups{.words = {2}};
  subgroups.features = uint32_t(ShaderFeature::Subgroups);
  ManifestVariant plain{.words = {3}};
  plain.tilings = {{64, 4096, t, kNoId, {}}};
  m.shaders[0].variants = {matrices, subgroups, plain};
  return m;
}

struct Chooser : testing::Test {
  Chooser() : model(product(), kKernels, kWeights) {
    program.device = &device;
    program.artifact = model.artifact;
    device.limits.features = uint32_t(ShaderFeature::Matrices);
    device.limits.matrixCount = 1;
    device.limits.matrices[0] = k16x16x16;
    device.limits.subgroupSize = 32;
    device.limits.workgroupInvocations = 128;
    device.limits.sharedBytes = 32768;
  }
  runtime::vulkan::Choice choice(int64_t rows) {
    int64_t symbols[] = {1, rows, 1, 1};
    return program.choiceFor(0, symbols);
  }
  uint32_t variant(int64_t rows) { return choice(rows).variant; }
  uint32_t tiling(int64_t rows) { return choice(rows).tiling; }

  test::Model model;
  runtime::vulkan::Device device;
  runtime::vulkan::Program program;
};

enum { Matrices, Subgroups, Plain };

TEST_F(Chooser, MatricesAreTakenWhereTheDeviceHasTheirSizes) {
  EXPECT_EQ(variant(9), Matrices);
  EXPECT_EQ(tiling(9), 0u);
  EXPECT_EQ(program.workgroupSize(0, 0), 128u); // 4 subgroups
  device.limits.matrices[0] = k8x8x8;
  EXPECT_EQ(tiling(9), 1u);
  device.limits.matrices[0] = runtime::matrixSizes(16, 8, 16);
  EXPECT_EQ(variant(9), Plain);
}

TEST_F(Chooser, MatricesAreNotForFewRows) { EXPECT_EQ(variant(8), Plain); }

TEST_F(Chooser, ADeviceWithoutTheFeatureTakesThePlainOne) {
  device.limits.features = 0;
  EXPECT_EQ(variant(100), Plain);
  EXPECT_EQ(tiling(100), 2u);
  device.limits.features = uint32_t(ShaderFeature::Subgroups);
  EXPECT_EQ(variant(100), Subgroups);
}

TEST_F(Chooser, MatricesNeedRoom) {
  device.limits.subgroupSize = 64; // 256 invocations
  EXPECT_EQ(variant(9), Plain);
  device.limits.subgroupSize = 32;
  device.limits.sharedBytes = 16384;
  EXPECT_EQ(variant(9), Plain);
}

TEST_F(Chooser, LimitsTakeMatricesAway) {
  runtime::String error;
  ASSERT_TRUE(runtime::vulkan::lowerLimits("matrices=0", device.limits, error));
  EXPECT_EQ(variant(100), Plain);
}

} // namespace
