//===- CHeader.h - The C header of a library --------------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_PACKAGE_CHEADER_H
#define MAPSTO_COMPILER_PACKAGE_CHEADER_H

#include "runtime/manifest_writer.h"

#include <string>

namespace mapsto {

/// The header that declares a model's functions (cpu/EntryPoints.h), with the
/// shapes of its tensors as comments.
std::string makeCHeader(const ManifestModel &manifest);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_CHEADER_H
