//===- CompileGlsl.h - GLSL to SPIR-V ---------------------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_COMPILEGLSL_H
#define MAPSTO_COMPILER_VULKAN_COMPILEGLSL_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mapsto {

/// A compute shader as words of SPIR-V 1.3 (Vulkan 1.1), valid by SPIRV-Tools.
/// False, with the compiler's own words in `error`, where the text is no
/// shader: a defect of whoever wrote it.
bool compileGlsl(llvm::StringRef text, std::vector<uint32_t> &words,
                 std::string &error);

/// The words as SPIR-V assembly.
std::string disassembleSpirv(const std::vector<uint32_t> &words);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_COMPILEGLSL_H
