//===- Print.h - From the graph dialect to the language ---------*- C++ -*-===//
//
// The inverse of the elaborator: a module in phase `graph` as a model file that
// gives the same module's results, written the way a person would.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_PRINT_H
#define MAPSTO_FRONTENDS_LANGUAGE_PRINT_H

#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/StringMap.h"

#include <optional>
#include <string>
#include <vector>

namespace mapsto {

/// `@main` of a module in phase `graph` as formatted source text of one model,
/// with `comment` (lines without `//`) at its top. Parameters keep their names
/// in the weights file. Names that the language cannot spell are changed, and a
/// comment says so. Nothing, with a line for each op that has no spelling in
/// `errors`, where the module cannot be written.
/// `whole` has the types of parameters of which the module may read only some
/// rows.
std::optional<std::string>
printLanguage(mlir::ModuleOp module, llvm::StringRef comment,
              const llvm::StringMap<mlir::RankedTensorType> &whole,
              std::vector<std::string> &errors);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_PRINT_H
