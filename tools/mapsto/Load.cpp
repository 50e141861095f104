#include "tools/mapsto/Load.h"
#include "compiler/pipeline.h"
#include "frontends/language/Language.h"
#include "frontends/onnx/Onnx.h"
#include "tools/mapsto/Carry.h"
#include "tools/mapsto/Quantize.h"
#include "tools/mapsto/Weights.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstdio>
#include <cstdlib>

using namespace mapsto;

namespace {

mlir::DialectRegistry dialects() {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  return registry;
}

/// A message about an op without the op: "'mapsto.rnn' op needs ..." is
/// "`rnn` needs ...".
std::string withoutOpNames(std::string text) {
  for (size_t at; (at = text.find("'mapsto.")) != std::string::npos;) {
    size_t end = text.find('\'', at + 1);
    if (end == std::string::npos)
      break;
    std::string name = text.substr(at + 8, end - at - 8);
    bool op = text.compare(end + 1, 4, " op ") == 0;
    text.replace(at, end + 1 + (op ? 3 : 0) - at, "`" + name + "`");
  }
  return text;
}

bool parseDims(const Arguments &arguments, std::map<std::string, int64_t> &dims,
               std::string &error) {
  for (const std::string &text : arguments.all("--dim")) {
    std::string name, value;
    int64_t size;
    if (!splitNamed(text, name, value) ||
        llvm::StringRef(value).getAsInteger(10, size) || size < 0) {
      error =
          "--dim needs NAME=SIZE with a size of at least 0, not `" + text + "`";
      return false;
    }
    dims[name] = size;
  }
  return true;
}

bool readLanguage(Model &model, const Arguments &arguments,
                  const std::string &path, bool fixDims) {
  std::string error;
  LanguageOptions options;
  options.model = arguments.get("--model");
  options.importPaths = arguments.all("-I");
  for (const std::string &text : arguments.all("--arg")) {
    std::string name, value;
    if (!splitNamed(text, name, value)) {
      fail("--arg needs NAME=VALUE, not `" + text + "`");
      return false;
    }
    options.args[name] = value;
  }
  if (fixDims && !parseDims(arguments, options.dims, error)) {
    fail(error);
    return false;
  }
  const SourceFile *source = model.sources.open(path, error);
  if (!source) {
    fail(error);
    return false;
  }
  model.module =
      importLanguage(model.context, *source, options, model.diagnostics);
  return bool(model.module);
}

bool readOnnx(Model &model, const Arguments &arguments, const std::string &path,
              GivenValues given) {
  std::string error;
  OnnxOptions options;
  if (!parseDims(arguments, options.dims, error) ||
      !readSetOptions(arguments, path, given, error)) {
    fail(error);
    return false;
  }
  options.values = std::move(given.values);
  options.lengths = std::move(given.lengths);
  model.given = std::move(given.storage);
  std::vector<OnnxError> errors;
  auto onnx = std::make_shared<OnnxModel>(
      importOnnx(model.context, path, options, errors));
  for (const OnnxError &e : errors)
    model.diagnostics.error({}, e.message).hint(e.hint);
  if (!onnx->module)
    return false;
  model.module = std::move(onnx->module);
  model.fixedInputs = onnx->fixedInputs;
  setWeights(model, onnx, onnx->weights);
  return true;
}

bool readMlir(Model &model, const std::string &path) {
  mlir::ParserConfig config(&model.context);
  model.module = mlir::parseSourceFile<mlir::ModuleOp>(path, config);
  return bool(model.module);
}

bool readModel(Model &model, const Arguments &arguments, bool fixDims,
               const GivenValues &given) {
  const std::string &path = arguments.files[0];
  llvm::StringRef extension = llvm::sys::path::extension(path);
  llvm::sys::fs::file_status status;
  if (std::error_code code = llvm::sys::fs::status(path, status)) {
    fail("cannot read `" + path + "`: " + code.message());
    return false;
  }
  if (status.type() == llvm::sys::fs::file_type::directory_file) {
    fail("cannot read `" + path + "`: it is a directory");
    return false;
  }
  for (const char *option : {"--set", "--length"})
    if (!isOnnx(arguments) && arguments.has(option)) {
      fail(std::string(option) + " is for ONNX models; `" + path +
           "` has --arg and --dim");
      return false;
    }
  return model.timings.measure("frontend", [&] {
    if (isOnnx(arguments))
      return readOnnx(model, arguments, path, given);
    return extension == ".mlir" ? readMlir(model, path)
                                : readLanguage(model, arguments, path, fixDims);
  });
}

bool chooseTarget(Model &model, const Arguments &arguments,
                  const char *defaultCpu) {
  std::string targets = arguments.get("--target", "cpu");
  if (targets != "cpu" && targets != "vulkan" && targets != "both") {
    fail("--target needs `cpu`, `vulkan` or `both`, not `" + targets + "`");
    return false;
  }
  model.cpu = targets != "vulkan";
  model.vulkan = targets != "cpu";
  // What runs here is compiled for where it is to run.
  std::string device = deviceOf(arguments);
  model.vulkan |=
      device == "both" || llvm::StringRef(device).starts_with("vulkan");
  std::string level = arguments.get("-O", "2");
  if (level.size() != 1 || level[0] < '0' || level[0] > '3') {
    fail("-O needs a level from 0 to 3, not `" + level + "`");
    return false;
  }
  model.optLevel = level[0] - '0';

  std::string error, triple = arguments.get("--target-triple");
  std::string cpu = arguments.get("--cpu", triple.empty() ? defaultCpu : "");
  if (!findTarget(cpu, triple, model.target, error)) {
    std::string near = didYouMean(cpu, knownCpus(triple));
    fail(error + (near.empty() ? "" : "; " + near));
    return false;
  }
  return true;
}

} // namespace

std::string mapsto::deviceOf(const Arguments &arguments) {
  const char *variable = getenv("MAPSTO_DEVICE");
  bool runs = arguments.command == "run" || arguments.command == "bench";
  return arguments.get("--device", runs && variable ? variable : "");
}

Span mapsto::spanOf(mlir::Location location, const SourceManager &sources) {
  Span span;
  location->walk([&](mlir::Location at) {
    auto place = llvm::dyn_cast<mlir::FileLineColLoc>(at);
    if (!place)
      return mlir::WalkResult::advance();
    const SourceFile *file = sources.find(place.getFilename().strref());
    if (!file || place.getLine() == 0 || place.getLine() > file->lineCount())
      return mlir::WalkResult::advance();
    size_t begin = file->lineStart(place.getLine());
    // Columns count code points; labels of models are nearly always ASCII.
    size_t end = begin + file->lineText(place.getLine()).size();
    begin = std::min(begin + std::max(place.getColumn(), 1u) - 1, end);
    size_t stop = begin;
    while (stop < end &&
           (llvm::isAlnum(file->text()[stop]) || file->text()[stop] == '_'))
      ++stop;
    span = {file, uint32_t(begin), uint32_t(std::max(stop, begin + 1))};
    return mlir::WalkResult::interrupt();
  });
  return span;
}

Model::Model() : context(dialects(), mlir::MLIRContext::Threading::DISABLED) {
  context.getDiagEngine().registerHandler([this](mlir::Diagnostic &d) {
    if (getenv("MAPSTO_DEBUG")) // for whoever works on the compiler
      llvm::errs() << d.getLocation() << ": " << d << "\n";
    if (d.getSeverity() == mlir::DiagnosticSeverity::Error)
      diagnostics.error(spanOf(d.getLocation(), sources),
                        withoutOpNames(d.str()));
  });
}

int Model::fail() {
  diagnostics.print();
  if (!diagnostics.hasErrors())
    mapsto::fail("the compiler failed without saying why: this is a defect");
  return kBadInput;
}

bool mapsto::isOnnx(const Arguments &arguments) {
  return llvm::sys::path::extension(arguments.files[0]) == ".onnx";
}

bool mapsto::isArtifact(const std::string &path) {
  FILE *file = fopen(path.c_str(), "rb");
  if (!file)
    return false;
  char magic[4] = {};
  bool elf =
      fread(magic, 1, 4, file) == 4 && llvm::StringRef(magic, 4) == "\177ELF";
  fclose(file);
  return elf;
}

std::unique_ptr<ArtifactFile> mapsto::openArtifact(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer) {
    fail("cannot read `" + path + "`: " + buffer.getError().message());
    return nullptr;
  }
  auto artifact = std::make_unique<ArtifactFile>();
  artifact->bytes = std::move(*buffer);
  if (artifact->manifest.find(artifact->bytes->getBufferStart(),
                              artifact->bytes->getBufferSize()))
    return artifact;
  fail("`" + path + "` is not a compiled Mapsto model");
  return nullptr;
}

std::unique_ptr<Model> mapsto::loadModel(const Arguments &arguments,
                                         NeedWeights need,
                                         const char *defaultCpu, bool fixDims,
                                         const GivenValues &given) {
  auto model = std::make_unique<Model>();
  model->timings.byKernel = arguments.has("--time");
  if (!chooseTarget(*model, arguments, defaultCpu))
    return nullptr;
  if (!readModel(*model, arguments, fixDims, given)) {
    if (!model->diagnostics.all().empty())
      model->diagnostics.print();
    return nullptr;
  }
  if (!model->diagnostics.all().empty()) // warnings
    model->diagnostics.print();

  std::string error;
  if (!carryStates(*model, arguments, error)) {
    fail(error);
    return nullptr;
  }

  model->options = "-O" + std::to_string(model->optLevel);
  for (const char *option :
       {"--model", "--arg", "--set", "--length", "--carry", "--dim"})
    for (const std::string &value : arguments.all(option))
      if (fixDims || isOnnx(arguments) || llvm::StringRef(option) != "--dim")
        model->options += std::string(" ") + option + " " + value;

  const std::vector<std::string> &weights = arguments.all("--weights");
  if (model->weights.find) {
    if (!weights.empty()) {
      fail("`" + arguments.files[0] +
           "` has its own weights: --weights is for "
           "models without");
      return nullptr;
    }
  } else if ((need == NeedWeights::Yes || !weights.empty()) &&
             !model->timings.measure(
                 "weights", [&] { return loadWeights(*model, weights); }))
    return nullptr;
  if (!model->timings.measure(
          "weights", [&] { return quantizeWeights(*model, arguments); }))
    return nullptr;
  return model;
}
