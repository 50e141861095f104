//===- Remarks.h - What raising tells people --------------------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_GRAPH_REMARKS_H
#define MAPSTO_COMPILER_GRAPH_REMARKS_H

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace mapsto {

/// The op's name or place in the source, or both; `otherwise` where neither is
/// known.
std::string nameOf(mlir::Operation *op, llvm::StringRef otherwise);

/// Adds lines to what `inspect` ends with.
void addRemarks(mlir::ModuleOp module, llvm::ArrayRef<std::string> lines);

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_REMARKS_H
