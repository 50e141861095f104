//===- Stdlib.h - The standard library, embedded ----------------*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_STDLIB_H
#define MAPSTO_FRONTENDS_LANGUAGE_STDLIB_H

#include "llvm/ADT/ArrayRef.h"

namespace mapsto {

/// stdlib/NAME.mto, imported as "std/NAME". `prelude` needs no import.
struct StdlibFile {
  const char *name;
  const char *text;
};

/// Written by EmbedStdlib.cmake from stdlib/*.mto.
llvm::ArrayRef<StdlibFile> stdlibFiles();

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_STDLIB_H
