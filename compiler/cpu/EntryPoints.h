//===- EntryPoints.h - Typed C functions of a model -------------*- C++ -*-===//
//
// A library's own functions, which package/CHeader declares:
//
//   NAME_session *NAME_open(void);
//   NAME_session *NAME_open_at(const char *directory);
//   int NAME_run(NAME_session *, inputs..., sizes..., outputs...);
//   void NAME_reset(NAME_session *);
//   const char *NAME_error(const NAME_session *);
//   void NAME_close(NAME_session *);
//
// They are thin: each forwards to a function of runtime/mapsto.h.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_CPU_ENTRYPOINTS_H
#define MAPSTO_COMPILER_CPU_ENTRYPOINTS_H

#include "runtime/manifest_writer.h"

namespace llvm {
class GlobalVariable;
class Module;
} // namespace llvm

namespace mapsto {

/// Defines the functions of the model whose image is `image`.
void addEntryPoints(llvm::Module &module, const ManifestModel &manifest,
                    llvm::GlobalVariable &image);

} // namespace mapsto

#endif // MAPSTO_COMPILER_CPU_ENTRYPOINTS_H
