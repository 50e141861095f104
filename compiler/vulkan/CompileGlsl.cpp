//===- CompileGlsl.cpp - GLSL to SPIR-V -----------------------------------===//
//
// glslang turns the text into SPIR-V, SPIRV-Tools check it. No optimiser runs:
// drivers have their own, and spirv-opt showed no gain.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/CompileGlsl.h"

#include <glslang/Public/ResourceLimits.h>
#include <glslang/Public/ShaderLang.h>
#include <glslang/SPIRV/GlslangToSpv.h>
#include <spirv-tools/libspirv.hpp>

namespace mapsto {

namespace {

/// glslang's tables, made at the first shader (120 to 300 ms) and kept.
void initializeOnce() {
  static const bool ready = glslang::InitializeProcess();
  (void)ready;
}

} // namespace

bool compileGlsl(llvm::StringRef text, std::vector<uint32_t> &words,
                 std::string &error) {
  initializeOnce();
  glslang::TShader shader(EShLangCompute);
  const char *start = text.data();
  int length = text.size();
  shader.setStringsWithLengths(&start, &length, 1);
  shader.setEnvInput(glslang::EShSourceGlsl, EShLangCompute,
                     glslang::EShClientVulkan, 100);
  shader.setEnvClient(glslang::EShClientVulkan, glslang::EShTargetVulkan_1_1);
  shader.setEnvTarget(glslang::EShTargetSpv, glslang::EShTargetSpv_1_3);
  auto rules = EShMessages(EShMsgSpvRules | EShMsgVulkanRules);
  if (!shader.parse(GetDefaultResources(), 450, false, rules)) {
    error = shader.getInfoLog();
    return false;
  }
  glslang::TProgram program;
  program.addShader(&shader);
  if (!program.link(rules)) {
    error = program.getInfoLog();
    return false;
  }
  glslang::SpvOptions options;
  options.disableOptimizer = true;
  words.clear();
  glslang::GlslangToSpv(*program.getIntermediate(EShLangCompute), words,
                        &options);

  spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_1);
  tools.SetMessageConsumer([&](spv_message_level_t, const char *,
                               const spv_position_t &, const char *message) {
    error += message;
    error += '\n';
  });
  return tools.Validate(words);
}

std::string disassembleSpirv(const std::vector<uint32_t> &words) {
  spvtools::SpirvTools tools(SPV_ENV_VULKAN_1_1);
  std::string text;
  tools.Disassemble(words, &text,
                    SPV_BINARY_TO_TEXT_OPTION_FRIENDLY_NAMES |
                        SPV_BINARY_TO_TEXT_OPTION_INDENT);
  return text;
}

} // namespace mapsto
