//===- Link.h - Object files to an executable or a library ------*- C++ -*-===//
//
// Links with lld inside this process (5 ms); where the C library's start files
// are not found, or lld refuses, with the system's `cc`.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_LINK_H
#define MAPSTO_COMPILER_PACKAGE_LINK_H

#include "compiler/cpu/Target.h"

#include <string>
#include <vector>

namespace mapsto {

enum class LinkKind {
  Executable,
  StaticExecutable,
  SharedLibrary,
  Relocatable
};

struct LinkJob {
  LinkKind kind = LinkKind::Executable;
  /// Paths of objects and archives, in the order they are searched.
  std::vector<std::string> inputs;
  std::string output;
  /// What a shared library calls itself.
  std::string soname;
};

/// On failure false, and `error` says why in a line or a few.
bool link(const LinkJob &job, const Target &target, std::string &error);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_LINK_H
