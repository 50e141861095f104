#include "compiler/Passes.h"
#include "compiler/package/StoredWeights.h"
#include "compiler/package/TemporaryFile.h"
#include "frontends/language/Language.h"
#include "frontends/language/Print.h"
#include "frontends/weights/Weights.h"
#include "tools/mapsto/Commands.h"
#include "tools/mapsto/Load.h"

#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"

#include <cstdio>

using namespace mapsto;

namespace {

/// What people write is simpler than what an exporter does, and attention is
/// one thing.
bool simplify(Model &model) {
  mlir::PassManager passes(&model.context);
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(mlir::createCSEPass());
  passes.addPass(createRaiseSoftmax());
  passes.addPass(createRaiseAttention());
  passes.addPass(mlir::createCanonicalizerPass());
  return succeeded(passes.run(*model.module));
}

/// The weights that the model reads, in its order.
std::vector<WeightTensor> weightsOf(Model &model) {
  std::vector<WeightTensor> tensors;
  llvm::StringSet<> seen;
  model.module->walk([&](WeightOp op) {
    if (!model.weights.find || !seen.insert(op.getName()).second)
      return;
    if (auto view = model.weights.find(op.getName()))
      tensors.push_back({op.getName().str(),
                         view->dtype,
                         {view->shape.begin(), view->shape.end()},
                         {reinterpret_cast<const uint8_t *>(view->bytes.data()),
                          view->bytes.size()}});
  });
  return tensors;
}

/// Whether the text means a model: what is written can be compiled.
bool readsBack(Model &model, const std::string &text, std::string &why) {
  SourceManager sources;
  DiagnosticEngine diagnostics;
  if (importLanguage(model.context, sources.add("import.mto", text), {},
                     diagnostics))
    return true;
  why = diagnostics.render();
  return false;
}

} // namespace

int mapsto::importCommand(const Arguments &arguments, const char *) {
  auto model = loadModel(arguments, NeedWeights::No, "native", true);
  if (!model)
    return kBadInput;
  // Simplified, a module may read only some rows of a parameter.
  llvm::StringMap<mlir::RankedTensorType> whole;
  model->module->walk([&](WeightOp op) {
    if (!op.getRowStart())
      whole[op.getName()] = op.getType();
  });
  if (!simplify(*model))
    return model->fail();
  const std::string &input = arguments.files[0];
  std::vector<std::string> errors;
  auto text = printLanguage(
      *model->module, "From " + llvm::sys::path::filename(input).str() + ".",
      whole, errors);
  if (!text) {
    for (const std::string &line : errors)
      fail(line);
    return kBadInput;
  }
  std::string output = arguments.get("-o"), error;
  if (output.empty() || output == "-") {
    fputs(text->c_str(), stdout);
    output.clear();
  }
  if (!readsBack(*model, *text, error))
    return fail("`" + input + "` cannot be written in the language:\n" + error);

  llvm::SmallString<128> path(arguments.get("--weights-output"));
  if (path.empty() && !output.empty()) {
    path = output;
    llvm::sys::path::replace_extension(path, "safetensors");
  }
  std::vector<WeightTensor> weights = weightsOf(*model);
  if (!weights.empty() && !path.empty()) {
    TemporaryFile file(path.str().str());
    if (!file.ok())
      return fail(file.error());
    if (!writeSafetensors(file.stream(), weights, error))
      return fail(error);
    if (!file.keep())
      return fail(file.error());
  }
  if (output.empty())
    return kDone;
  TemporaryFile file(output);
  if (file.ok())
    file.stream() << *text;
  return file.ok() && file.keep() ? kDone : fail(file.error());
}
