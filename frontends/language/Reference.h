//===- Reference.h - The reference's generated half -------------*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_REFERENCE_H
#define MAPSTO_FRONTENDS_LANGUAGE_REFERENCE_H

#include <string>
#include <vector>

namespace mapsto {

/// A function or a layer as the reference shows it.
struct ReferenceEntry {
  std::string name;
  /// "softmax(x, axis = -1)"
  std::string signature;
  std::string shapes;
  std::string doc;
  /// "EXPRESSION == VALUE", or empty.
  std::string example;
};

struct ReferenceGroup {
  std::string title;
  std::vector<ReferenceEntry> entries;
};

/// The table of built-ins, then the functions and layers of the standard
/// library with their doc comments.
std::vector<ReferenceGroup> referenceGroups();

/// All of it as Markdown.
std::string writeReference();

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_REFERENCE_H
