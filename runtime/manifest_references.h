//===- manifest_references.h - Do a manifest's references exist? -*- C++
//-*-===//

#ifndef MAPSTO_RUNTIME_MANIFEST_REFERENCES_H
#define MAPSTO_RUNTIME_MANIFEST_REFERENCES_H

#include "runtime/manifest.h"

namespace mapsto::runtime {

/// Each check returns what is wrong (a static text), or null.
struct References {
  using Result = const char *;

  const Manifest &m;

  Result list(List l, uint32_t bound, const char *what) const {
    if (l.first > m.indices.count || l.count > m.indices.count - l.first)
      return "a list lies outside the manifest";
    for (uint32_t id : m.list(l))
      if (id >= bound)
        return what;
    return nullptr;
  }
  Result exprId(uint32_t id) const {
    return id < m.exprs.count ? nullptr : "a size expression does not exist";
  }
  Result optionalExpr(uint32_t id) const {
    return id == kNone ? nullptr : exprId(id);
  }
};

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_MANIFEST_REFERENCES_H
