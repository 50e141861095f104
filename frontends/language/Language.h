//===- Language.h - From a model file to the graph dialect ------*- C++ -*-===//
//
// The one entry point of the language frontend: a source file in, a module of
// the `mapsto` dialect out, with everything static already decided.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_LANGUAGE_H
#define MAPSTO_FRONTENDS_LANGUAGE_LANGUAGE_H

#include "frontends/language/Diagnostics.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <string>
#include <vector>

namespace mapsto {

struct LanguageOptions {
  /// What to compile: `Model`, `Model.mapping`, or a fn whose inputs are typed.
  /// Empty: the file's last model, or its last fn where it has no model.
  std::string model;
  /// Values for the model's own parameters, as the language writes them:
  /// {"units", "2*12"}.
  std::map<std::string, std::string> args;
  /// Symbolic sizes fixed to a number.
  std::map<std::string, int64_t> dims;
  /// Folders searched for `import "path"` after the file's own.
  std::vector<std::string> importPaths;
};

/// Elaborates one model of `source`: static code runs, layers become named
/// weights, and `func.func @main` is the mapping. Null, with every error
/// reported to `diagnostics`, where the file cannot be compiled. Imported
/// files live as long as the process, so spans stay valid.
mlir::OwningOpRef<mlir::ModuleOp> importLanguage(mlir::MLIRContext &context,
                                                 const SourceFile &source,
                                                 const LanguageOptions &options,
                                                 DiagnosticEngine &diagnostics);

/// Models that a file declares, in order (for `--model` and listings).
std::vector<std::string> listModels(const SourceFile &source);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_LANGUAGE_H
