// Matrices that glslang writes as SPV_NV_cooperative_matrix, as
// SPV_KHR_cooperative_matrix.
#include "compiler/vulkan/CompileGlsl.h"
#include "compiler/vulkan/SpirvWords.h"

#include <gtest/gtest.h>
#include <map>

using namespace mapsto;

namespace {

constexpr char kProduct[] = R"(#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
layout(local_size_x = 32) in;
layout(constant_id = 2) const int rows = 16;
layout(constant_id = 3) const int columns = 16;
layout(constant_id = 4) const int depth = 16;
layout(set = 0, binding = 0) buffer X { float16_t x[]; };
layout(set = 0, binding = 1) buffer Y { float16_t y[]; };
layout(set = 0, binding = 2) buffer Z { float z[]; };
void main() {
  fcoopmatNV<16, gl_ScopeSubgroup, rows, depth> a;
  fcoopmatNV<16, gl_ScopeSubgroup, depth, columns> b;
  coopMatLoadNV(a, x, 0, 48, false);
  coopMatLoadNV(b, y, 0, 80, true);
  fcoopmatNV<32, gl_ScopeSubgroup, rows, columns> sum =
      fcoopmatNV<32, gl_ScopeSubgroup, rows, columns>(0.0);
  sum = coopMatMulAddNV(a, b, sum);
  coopMatStoreNV(sum, z, 0, 112, false);
}
)";

using Words = std::vector<uint32_t>;

/// The operands of the instructions of this opcode.
std::vector<Words> find(const Words &module, uint32_t opcode) {
  std::vector<Words> found;
  for (size_t at = 5; at < module.size(); at += module[at] >> 16)
    if ((module[at] & 0xFFFF) == opcode)
      found.emplace_back(module.begin() + at + 1,
                         module.begin() + at + (module[at] >> 16));
  return found;
}

Words compiled(const char *text) {
  Words words;
  std::string error;
  EXPECT_TRUE(compileGlsl(text, words, error)) << error;
  return words;
}

TEST(SpirvWords, MatricesBecomeThoseOfKhr) {
  Words nv = compiled(kProduct), khr = withKhrMatrices(nv);
  for (uint32_t opcode = 5358; opcode <= 5362; ++opcode)
    EXPECT_TRUE(find(khr, opcode).empty()) << opcode;

  std::map<uint32_t, uint32_t> constants;
  for (const Words &c : find(khr, 43)) // OpConstant
    constants[c[1]] = c[2];
  EXPECT_GT(khr[3], nv[3]); // ids
  for (auto [id, value] : constants)
    EXPECT_LT(id, khr[3]);

  // Types say which operand they are.
  std::vector<Words> types = find(khr, 4456), before = find(nv, 5358);
  ASSERT_EQ(types.size(), 3u);
  std::map<uint32_t, uint32_t> uses;
  for (size_t i = 0; i != 3; ++i) {
    ASSERT_EQ(types[i].size(), 6u);
    EXPECT_TRUE(
        std::equal(before[i].begin(), before[i].end(), types[i].begin()));
    uses[types[i][0]] = constants.at(types[i][5]);
  }
  std::vector<Words> loads = find(khr, 4457), loadsBefore = find(nv, 5359);
  ASSERT_EQ(loads.size(), 2u);
  for (uint32_t i = 0; i != 2; ++i) {
    EXPECT_EQ(uses.at(loads[i][0]), i);      // matrix A, matrix B
    EXPECT_EQ(constants.at(loads[i][3]), i); // by rows, by columns
    EXPECT_EQ(constants.at(loads[i][4]), i ? 80u : 48u);
    EXPECT_EQ(loads[i][2], loadsBefore[i][2]);
    EXPECT_EQ(loads[i].size(), loadsBefore[i].size());
  }
  std::vector<Words> stores = find(khr, 4458);
  ASSERT_EQ(stores.size(), 1u);
  EXPECT_EQ(constants.at(stores[0][2]), 0u);
  EXPECT_EQ(constants.at(stores[0][3]), 112u);
  std::vector<Words> products = find(khr, 4459);
  ASSERT_EQ(products.size(), 1u);
  EXPECT_EQ(products, find(nv, 5361));
  EXPECT_EQ(uses.at(products[0][0]), 2u);

  std::vector<Words> capabilities = find(khr, 17);
  EXPECT_NE(std::find(capabilities.begin(), capabilities.end(), Words{6022}),
            capabilities.end());
  bool named = false;
  for (const Words &extension : find(khr, 10))
    named |= std::string(reinterpret_cast<const char *>(extension.data())) ==
             "SPV_KHR_cooperative_matrix";
  EXPECT_TRUE(named);
}

TEST(SpirvWords, OtherModulesStayAsTheyAre) {
  Words words = compiled("#version 450\nvoid main() {}\n");
  EXPECT_EQ(withKhrMatrices(words), words);
}

TEST(SpirvWords, NamesAreLeftOut) {
  Words words = compiled(kProduct), bare = withoutNames(words);
  EXPECT_TRUE(find(bare, 5).empty());
  EXPECT_TRUE(find(bare, 6).empty());
  EXPECT_LT(bare.size(), words.size());
  EXPECT_EQ(find(bare, 5361), find(words, 5361));
  EXPECT_EQ(find(bare, 15).size(), 1u); // the entry point keeps its name
}

} // namespace
