//===- Page.h - A model as one self-contained HTML page ---------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_PAGE_H
#define MAPSTO_TOOLS_PAGE_H

#include "tools/mapsto/Summary.h"

namespace mapsto {

/// A page that needs nothing else: the summary as tables, then each phase
/// (name and text) to unfold.
std::string
makePage(const Summary &summary,
         const std::vector<std::pair<std::string, std::string>> &phases);

} // namespace mapsto

#endif // MAPSTO_TOOLS_PAGE_H
