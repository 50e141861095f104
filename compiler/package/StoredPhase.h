//===- StoredPhase.h - Phases inside artifacts ------------------*- C++ -*-===//
//
// An artifact holds its graph as text, compressed to a quarter: `inspect` makes
// every other phase from it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_STOREDPHASE_H
#define MAPSTO_COMPILER_PACKAGE_STOREDPHASE_H

#include "runtime/manifest_writer.h"

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mapsto {

ManifestPhase storePhase(llvm::StringRef name, llvm::StringRef text);

/// Nothing where the artifact is damaged or this build cannot decompress.
std::optional<std::string> readPhase(const runtime::Manifest &manifest,
                                     const runtime::PhaseRecord &phase);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_STOREDPHASE_H
