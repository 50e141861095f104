//===- BuildShaders.cpp - The shaders of a model's kernels ----------------===//

#include "compiler/vulkan/BuildShaders.h"

#include "compiler/KernelAttributes.h"
#include "compiler/package/BuildManifest.h"
#include "compiler/pipeline.h"
#include "compiler/vulkan/CompileGlsl.h"
#include "compiler/vulkan/ShaderText.h"
#include "compiler/vulkan/SpirvWords.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace mapsto {

FailureOr<std::vector<Shader>> buildShaders(ModuleOp module, Timings &timings) {
  OwningOpRef<ModuleOp> copy = module.clone();
  bool lowered = timings.measure("shaders", [&] {
    PassManager pm(copy->getContext());
    addShaderPasses(pm);
    return succeeded(pm.run(*copy));
  });
  if (!lowered)
    return failure();
  std::vector<Shader> shaders;
  bool complete = true;
  for (auto kernel : copy->getOps<func::FuncOp>()) {
    if (!kernel->hasAttr(kDispatchAttr))
      continue;
    Shader shader = printShader(kernel);
    for (ShaderVariant &variant : shader.variants) {
      std::string error;
      bool compiled = variant.complete && timings.measure("glslang", [&] {
        return compileGlsl(variant.text, variant.words, error);
      });
      if (variant.complete && !compiled)
        kernel.emitError("its shader is wrong: ") << error << variant.text;
      complete &= compiled;
    }
    shaders.push_back(std::move(shader));
  }
  if (!complete)
    return failure();
  return shaders;
}

void addShaders(ManifestModel &manifest, const std::vector<Shader> &shaders) {
  auto expr = [&](const std::string &dim) {
    return manifest.expr(manifestExpr(*Dim::parse(dim), manifest.symbols));
  };
  for (ManifestKernel &kernel : manifest.kernels) {
    auto shader = llvm::find_if(
        shaders, [&](const Shader &s) { return s.kernel == kernel.symbol; });
    assert(shader != shaders.end() && "a kernel without a shader");
    ManifestShader record;
    for (const std::string &symbol : shader->pushes)
      record.pushes.push_back(expr(symbol));
    record.dispatch = shader->dispatch;
    record.items = expr(shader->items);
    record.bindingCount = shader->bindingCount;
    if (shader->workgroupSize)
      record.workgroupSize = *shader->workgroupSize;
    record.clearedBytes = shader->clearedBytes;
    if (!shader->scratch.empty())
      record.scratch = expr(shader->scratch);
    for (const ShaderVariant &variant : shader->variants) {
      ManifestVariant v;
      v.words = withKhrMatrices(withoutNames(variant.words));
      v.features = variant.features;
      v.sharedBytes = variant.sharedBytes;
      if (!variant.when.empty())
        v.when = expr(variant.when);
      for (const Tiling &tiling : variant.tilings)
        v.tilings.push_back({tiling.workgroupSize, tiling.sharedBytes,
                             expr(tiling.items.str()),
                             tiling.when ? expr(tiling.when->str()) : kNoId,
                             std::vector<uint32_t>(tiling.constants.begin(),
                                                   tiling.constants.end()),
                             tiling.matrix});
      record.variants.push_back(std::move(v));
    }
    if (shader->startsFrom)
      record.startsFrom = *shader->startsFrom;
    record.sites = shader->sites;
    manifest.shaders.push_back(std::move(record));
  }
}

} // namespace mapsto
