list(APPEND compiler_sources
  vulkan/AttentionMatrices.cpp
  vulkan/AttentionMatrixSoftmax.cpp
  vulkan/AttentionMatrixTilings.cpp
  vulkan/AttentionNormalizers.cpp
  vulkan/AttentionOutput.cpp
  vulkan/AttentionScores.cpp
  vulkan/AttentionSplits.cpp
  vulkan/AttentionTilings.cpp
  vulkan/BatchItems.cpp
  vulkan/BodyAttention.cpp
  vulkan/BufferNames.cpp
  vulkan/BuildShaders.cpp
  vulkan/CompileGlsl.cpp
  vulkan/EmitAttention.cpp
  vulkan/EmitCumulative.cpp
  vulkan/EmitIndexed.cpp
  vulkan/EmitMatmul.cpp
  vulkan/EmitScan.cpp
  vulkan/GlslComparisons.cpp
  vulkan/GlslDoubles.cpp
  vulkan/GlslEmulatedMatrices.cpp
  vulkan/GlslExpressions.cpp
  vulkan/GlslFunctions.cpp
  vulkan/GlslMatrices.cpp
  vulkan/GlslNames.cpp
  vulkan/GlslPrinter.cpp
  vulkan/GlslReductions.cpp
  vulkan/GlslTypes.cpp
  vulkan/LowerToShaders.cpp
  vulkan/MatmulFewRows.cpp
  vulkan/MatmulMatrices.cpp
  vulkan/MatmulTilings.cpp
  vulkan/Matrices.cpp
  vulkan/OutlineMath.cpp
  vulkan/ScanGates.cpp
  vulkan/ScanPlan.cpp
  vulkan/ShaderText.cpp
  vulkan/SpirvWords.cpp
  vulkan/Tiling.cpp
)
# GLSL's reference compiler, and what checks and prints SPIR-V.
find_package(Threads REQUIRED) # which glslang asks for without saying so
find_package(glslang REQUIRED CONFIG)
find_package(SPIRV-Tools REQUIRED CONFIG)
list(APPEND compiler_libraries glslang::glslang glslang::SPIRV glslang::glslang-default-resource-limits
     SPIRV-Tools-static)
