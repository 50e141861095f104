#include "compiler/KernelAttributes.h"
#include "compiler/package/StoredPhase.h"
#include "compiler/package/TemporaryFile.h"
#include "tools/mapsto/Commands.h"
#include "tools/mapsto/Lower.h"
#include "tools/mapsto/Page.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"

using namespace mapsto;

namespace {

/// What there is to inspect: a manifest, and the model to make phases from
/// again and again.
class Subject {
public:
  virtual ~Subject() = default;
  /// The manifest; null on failure, with the errors printed.
  virtual const runtime::Manifest *manifest() = 0;
  /// A fresh model in phase graph, or null.
  virtual std::unique_ptr<Model> model() = 0;
  /// What the compiler remarked while it made the manifest.
  std::vector<std::string> remarks;
};

class SourceFileSubject : public Subject {
public:
  explicit SourceFileSubject(const Arguments &arguments)
      : arguments(arguments) {}

  std::unique_ptr<Model> model() override {
    return loadModel(arguments, NeedWeights::No, "native", /*fixDims=*/false);
  }

  const runtime::Manifest *manifest() override {
    auto loaded = model();
    if (!loaded)
      return nullptr;
    auto compiled = compile(*loaded);
    if (!compiled)
      return nullptr;
    if (auto texts =
            (*loaded->module)->getAttrOfType<mlir::ArrayAttr>(kRemarksAttr))
      for (auto text : texts.getAsRange<mlir::StringAttr>())
        remarks.push_back(text.str());
    compiled->manifest.weightsSize = compiled->weights.size();
    blob = serialize(compiled->manifest);
    if (const char *why = view.open(blob.data(), blob.size())) {
      fail(std::string("the compiler wrote a manifest that is damaged: ") + why,
           kRunFailed);
      return nullptr;
    }
    return &view;
  }

private:
  const Arguments &arguments;
  std::vector<uint8_t> blob;
  runtime::Manifest view;
};

class ArtifactSubject : public Subject {
public:
  explicit ArtifactSubject(const Arguments &arguments) : arguments(arguments) {}

  const runtime::Manifest *manifest() override {
    file = openArtifact(arguments.files[0]);
    return file ? &file->manifest : nullptr;
  }

  /// Parsed from the graph that the artifact holds.
  std::unique_ptr<Model> model() override {
    auto result = std::make_unique<Model>();
    std::string error;
    const runtime::Manifest &view = file->manifest;
    const runtime::Header &head = view.header();
    if (!findTarget(view.text(head.cpu), view.text(head.triple), result->target,
                    error)) {
      fail(error);
      return nullptr;
    }
    for (const runtime::PhaseRecord &phase : view.phases)
      if (phaseName(Phase::Graph) == view.text(phase.name))
        if (auto text = readPhase(view, phase))
          result->module = mlir::parseSourceString<mlir::ModuleOp>(
              *text, mlir::ParserConfig(&result->context));
    if (!result->module) {
      fail("`" + arguments.files[0] +
           "` holds no graph that this version can read");
      return nullptr;
    }
    return result;
  }

private:
  const Arguments &arguments;
  std::unique_ptr<ArtifactFile> file;
};

bool readSizes(const Arguments &arguments, const runtime::Manifest &manifest,
               Sizes &sizes) {
  if (isOnnx(arguments))
    return true;
  std::vector<std::string> names;
  for (const runtime::SymbolRecord &symbol : manifest.symbols)
    names.push_back(manifest.text(symbol.name));
  for (const std::string &text : arguments.all("--dim")) {
    std::string name, value;
    int64_t size;
    if (!splitNamed(text, name, value) ||
        llvm::StringRef(value).getAsInteger(10, size) || size < 0) {
      fail("--dim needs NAME=SIZE with a size of at least 0, not `" + text +
           "`");
      return false;
    }
    if (!llvm::is_contained(names, name)) {
      std::string near = didYouMean(name, names);
      fail(
          "the model has no symbolic size `" + name + "`" +
          (near.empty() ? "; it has " + llvm::join(names, ", ") : "; " + near));
      return false;
    }
    sizes[name] = size;
  }
  return true;
}

int write(const Arguments &arguments, const std::string &text) {
  std::string output = arguments.get("-o");
  if (output.empty() || output == "-") {
    llvm::outs() << text;
    return kDone;
  }
  TemporaryFile file(output);
  if (file.ok())
    file.stream() << text;
  return file.ok() && file.keep() ? kDone : fail(file.error());
}

} // namespace

int mapsto::inspectCommand(const Arguments &arguments, const char *) {
  std::unique_ptr<Subject> subject;
  bool artifact = isArtifact(arguments.files[0]);
  if (artifact)
    subject = std::make_unique<ArtifactSubject>(arguments);
  else
    subject = std::make_unique<SourceFileSubject>(arguments);

  auto phaseText = [&](Phase phase, std::string &text) {
    auto model = subject->model();
    llvm::raw_string_ostream out(text);
    return model && printPhase(*model, phase, out);
  };
  if (arguments.has("--phase")) {
    auto phase = parsePhase(arguments.get("--phase"));
    if (!phase)
      return fail("--phase needs graph, optimized, kernels, loops, llvm, asm, "
                  "glsl or spirv, not `" +
                  arguments.get("--phase") + "`");
    if (artifact && !subject->manifest())
      return kBadInput;
    std::string text;
    return phaseText(*phase, text) ? write(arguments, text) : kBadInput;
  }

  const runtime::Manifest *manifest = subject->manifest();
  Sizes sizes;
  if (!manifest || !readSizes(arguments, *manifest, sizes))
    return kBadInput;
  Summary summary(*manifest, sizes, subject->remarks);
  if (!arguments.has("--html"))
    return write(arguments, summary.text());
  std::vector<std::pair<std::string, std::string>> phases;
  for (Phase phase : {Phase::Graph, Phase::Optimized, Phase::Kernels,
                      Phase::Loops, Phase::Llvm, Phase::Asm}) {
    phases.emplace_back(phaseName(phase).str(), "");
    if (!phaseText(phase, phases.back().second))
      return kBadInput;
  }
  return write(arguments, makePage(summary, phases));
}
