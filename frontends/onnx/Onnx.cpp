#include "frontends/onnx/Onnx.h"

#include "dialect/MapstoDialect.h"
#include "frontends/onnx/Importer.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace mapsto {

OnnxModel importOnnx(MLIRContext &context, StringRef path,
                     const OnnxOptions &options,
                     std::vector<OnnxError> &errors) {
  context.loadDialect<MapstoDialect, func::FuncDialect>();
  OnnxModel result;
  std::string error;
  std::shared_ptr<onnx::ModelFile> file = onnx::ModelFile::open(path, error);
  if (!file) {
    errors.push_back({"`" + path.str() + "`: " + error, ""});
    return result;
  }
  result.storage = file;
  // Each time round there is a symbol less.
  onnx::SizeEqualities equalities;
  while (!onnx::Importer(context, *file, options, result, errors, equalities)
              .run()) {
    errors.clear();
    result.module = {};
    result.weights.clear();
    result.fixedInputs.clear();
  }
  if (!errors.empty()) {
    result.module = {};
    return result;
  }
  result.module.get()->setAttr(
      kModelAttr, StringAttr::get(&context, llvm::sys::path::stem(path)));
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    auto node = diagnostic.getLocation()->findInstanceOf<NameLoc>();
    errors.push_back({(node ? "node `" + node.getName().str() + "`: " : "") +
                          diagnostic.str(),
                      ""});
    return success();
  });
  if (failed(verify(*result.module)))
    result.module = {};
  return result;
}

} // namespace mapsto
