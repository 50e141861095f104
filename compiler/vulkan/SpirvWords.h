//===- SpirvWords.h - SPIR-V as an artifact holds it ------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_VULKAN_SPIRVWORDS_H
#define MAPSTO_COMPILER_VULKAN_SPIRVWORDS_H

#include <cstdint>
#include <vector>

namespace mapsto {

/// A valid module without what only people read, which is an eighth of it:
/// names and the source's language.
std::vector<uint32_t> withoutNames(const std::vector<uint32_t> &words);

/// A valid module of SPV_NV_cooperative_matrix as one of
/// SPV_KHR_cooperative_matrix; others stay as they are.
///
/// glslang 12 writes the former, and the latter is what drivers have. The
/// instructions are the same but for two things: a type says which operand of a
/// product it is, so no type may be two of them; and whether an array is read
/// by rows or columns is a number instead of a boolean, before the stride.
std::vector<uint32_t> withKhrMatrices(const std::vector<uint32_t> &words);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_SPIRVWORDS_H
