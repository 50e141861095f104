//===- language_test_support.h - Elaborate and interpret, for tests -------===//

#ifndef MAPSTO_TESTS_UNIT_LANGUAGE_TEST_SUPPORT_H
#define MAPSTO_TESTS_UNIT_LANGUAGE_TEST_SUPPORT_H

#include "dialect/MapstoDialect.h"
#include "dialect/interpreter/Interpreter.h"
#include "frontends/language/Language.h"
#include "frontends/weights/Weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"

#include <fstream>
#include <sstream>

namespace mapsto::test {

inline std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline mlir::Type elementTypeOf(mapsto_dtype dtype,
                                mlir::MLIRContext &context) {
  mlir::Builder b(&context);
  switch (dtype) {
  case MAPSTO_F32:
    return b.getF32Type();
  case MAPSTO_F64:
    return b.getF64Type();
  case MAPSTO_F16:
    return b.getF16Type();
  case MAPSTO_BF16:
    return b.getBF16Type();
  case MAPSTO_I32:
    return b.getI32Type();
  case MAPSTO_I64:
    return b.getI64Type();
  case MAPSTO_BOOL:
    return b.getI1Type();
  default:
    return b.getI8Type();
  }
}

inline Tensor toTensor(const WeightTensor &weight, mlir::MLIRContext &context) {
  llvm::ArrayRef<char> bytes(
      reinterpret_cast<const char *>(weight.bytes.data()), weight.bytes.size());
  auto tensor = tensorFromBytes(elementTypeOf(weight.dtype, context),
                                weight.shape, bytes);
  return mlir::succeeded(tensor) ? *tensor : Tensor();
}

/// One compilation: its context, sources and messages.
struct Compilation {
  mlir::MLIRContext context;
  SourceManager sources;
  DiagnosticEngine diagnostics;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  bool compile(const std::string &name, const std::string &text,
               const LanguageOptions &options = {}) {
    const SourceFile &source = sources.add(name, text);
    module = importLanguage(context, source, options, diagnostics);
    return bool(module);
  }
  mlir::func::FuncOp main() {
    return module->lookupSymbol<mlir::func::FuncOp>(kEntryName);
  }
};

} // namespace mapsto::test

#endif // MAPSTO_TESTS_UNIT_LANGUAGE_TEST_SUPPORT_H
