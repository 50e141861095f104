//===- manifest_shaders.cpp - Are the records of shaders sound? -----------===//

#include "runtime/manifest_references.h"

namespace mapsto::runtime {

namespace {

bool within(List list, uint32_t count) {
  return list.first <= count && list.count <= count - list.first;
}

struct Checker : References {
  Result shader(const ShaderRecord &s, const KernelRecord &k) const {
    if (!s.variants.count || !within(s.variants, m.variants.count))
      return "a shader's variants lie outside the manifest";
    if (s.pushes.count > kMaxPushes)
      return "a shader takes more sizes than there is room for";
    if (Result r =
            list(s.pushes, m.exprs.count, "a size expression does not exist"))
      return r;
    if (s.dispatch > uint32_t(DispatchKind::Last) || s.workgroupSize == 0)
      return "a shader has an unknown form";
    if (Result r = optionalExpr(s.scratchExpr))
      return r;
    if (s.startsFrom != kNone && s.startsFrom >= k.argumentCount)
      return "a shader starts from an operand that it has not";
    if (Result r = list(s.sites, m.texts.count, "a text does not exist"))
      return r;
    uint32_t buffers =
        k.argumentCount + k.resultCount + (s.scratchExpr != kNone);
    if (s.bindingCount != buffers && s.bindingCount != buffers + 1)
      return "a shader has the wrong number of buffers";
    return exprId(s.itemsExpr);
  }

  Result variant(const VariantRecord &v) const {
    if (!within(v.code, m.shaderWords.count))
      return "a shader lies outside the manifest";
    if (!within(v.tilings, m.tilings.count))
      return "a shader's tilings lie outside the manifest";
    return optionalExpr(v.whenExpr);
  }

  Result tiling(const TilingRecord &t) const {
    if (t.workgroupSize == 0)
      return "a shader's workgroup is empty";
    if (Result r = list(t.constants, UINT32_MAX, "a constant is out of range"))
      return r;
    if (Result r = optionalExpr(t.whenExpr))
      return r;
    return exprId(t.itemsExpr);
  }
};

} // namespace

const char *checkShaders(const Manifest &m) {
  Checker check{{m}};
  if (m.shaders.count && m.shaders.count != m.kernels.count)
    return "some kernels have shaders and some have not";
  for (uint32_t i = 0; i < m.shaders.count; ++i)
    if (const char *wrong = check.shader(m.shaders[i], m.kernels[i]))
      return wrong;
  for (const VariantRecord &v : m.variants)
    if (const char *wrong = check.variant(v))
      return wrong;
  for (const TilingRecord &t : m.tilings)
    if (const char *wrong = check.tiling(t))
      return wrong;
  return nullptr;
}

} // namespace mapsto::runtime
