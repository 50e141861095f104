#include "tools/mapsto/Lower.h"
#include "compiler/cpu/ObjectCode.h"
#include "compiler/package/StoredPhase.h"
#include "compiler/vulkan/BuildShaders.h"
#include "compiler/vulkan/CompileGlsl.h"
#include "runtime/backend.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Path.h"

#include <cstdio>
#include <sys/mman.h>

using namespace mapsto;

/// Text of the module that parses again. With places, kernels keep their lines;
/// without the files' folders, an artifact is the same wherever its model lies.
static std::string textOf(mlir::ModuleOp module) {
  mlir::OwningOpRef<mlir::ModuleOp> copy(module.clone());
  mlir::AttrTypeReplacer withoutFolders;
  withoutFolders.addReplacement([](mlir::FileLineColRange place) {
    return mlir::FileLineColRange::get(
        mlir::StringAttr::get(
            place.getContext(),
            llvm::sys::path::filename(place.getFilename().getValue())),
        place.getStartLine(), place.getStartColumn(), place.getEndLine(),
        place.getEndColumn());
  });
  withoutFolders.recursivelyReplaceElementsIn(*copy, /*replaceAttrs=*/false,
                                              /*replaceLocs=*/true);
  std::string text;
  llvm::raw_string_ostream out(text);
  mlir::OpPrintingFlags flags;
  flags.enableDebugInfo();
  copy->print(out, flags);
  return text;
}

/// What failed is printed.
template <typename Result> static Result printed(Model &model, Result result) {
  if (failed(result))
    model.fail();
  return result;
}

static bool toPhase(Model &model, Phase from, Phase to) {
  return succeeded(printed(
      model, lower(*model.module, from, to, model.target, model.timings)));
}

static mlir::FailureOr<std::vector<Shader>> shadersOf(Model &model) {
  return printed(model, buildShaders(*model.module, model.timings));
}

std::optional<Compiled> mapsto::compile(Model &model) {
  // Every other phase follows from this one: `inspect` on an artifact.
  std::string graph = textOf(*model.module);
  if (!toPhase(model, Phase::Graph, Phase::Kernels))
    return std::nullopt;
  mlir::FailureOr<std::vector<Shader>> shaders = std::vector<Shader>();
  if (model.vulkan)
    shaders = shadersOf(model);
  if (failed(shaders) || !toPhase(model, Phase::Kernels, Phase::Loops))
    return std::nullopt;
  WeightTable weights(*model.module);
  weights.setSource(model.weights);
  auto manifest = printed(model, model.timings.measure("manifest", [&] {
    return buildManifest(*model.module, weights);
  }));
  if (failed(manifest))
    return std::nullopt;
  manifest->triple = model.target.triple;
  manifest->cpu = model.target.cpu;
  if (model.cpu)
    manifest->features = model.target.required;
  manifest->options = model.options;
  manifest->phases = {storePhase(phaseName(Phase::Graph), graph)};
  if (model.vulkan)
    addShaders(*manifest, *shaders);
  if (!model.cpu) // what the manifest says of its kernels is known now
    for (auto kernel :
         llvm::make_early_inc_range(model.module->getOps<mlir::func::FuncOp>()))
      kernel.erase();
  if (!toPhase(model, Phase::Loops, Phase::Llvm))
    return std::nullopt;
  return Compiled{std::move(*manifest), std::move(weights)};
}

Loaded::~Loaded() {
  jit.reset();
  if (weights)
    munmap(weights, weightsSize);
}

std::unique_ptr<Loaded> mapsto::loadCode(Model &model, Compiled &compiled) {
  auto loaded = std::make_unique<Loaded>();
  std::string error;
  compiled.manifest.weightsSize = compiled.weights.size();
  if (uint64_t size = compiled.weights.size()) {
    void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      fail("out of memory for the weights", kRunFailed);
      return nullptr;
    }
    loaded->weights = memory;
    loaded->weightsSize = size;
    if (!model.timings.measure(
            "pack", [&] { return compiled.weights.writeTo(memory, error); })) {
      fail(error);
      return nullptr;
    }
  }
  ObjectOptions options;
  options.optLevel = model.optLevel;
  options.cpu = model.cpu;
  auto object =
      printed(model, makeObjectCode(*model.module, &compiled.manifest,
                                    model.target, options, model.timings));
  if (failed(object))
    return nullptr;
  loaded->jit = model.timings.measure("link", [&] {
    return Jit::create(*object, compiled.manifest.name, loaded->weights, error);
  });
  if (!loaded->jit) {
    fail("cannot load the compiled code: " + error, kRunFailed);
    return nullptr;
  }
  if (model.vulkan)
    loaded->jit->setBackend(mapsto_vulkan_backend);
  return loaded;
}

/// Every kernel's shader, as text or as assembly.
static bool printShaders(Model &model, Phase phase, llvm::raw_ostream &out) {
  if (!toPhase(model, Phase::Graph, Phase::Kernels))
    return false;
  auto shaders = shadersOf(model);
  if (failed(shaders))
    return false;
  for (const Shader &shader : *shaders)
    for (const ShaderVariant &variant : shader.variants)
      out << (phase == Phase::Glsl ? variant.text
                                   : disassembleSpirv(variant.words))
          << "\n";
  return true;
}

bool mapsto::printPhase(Model &model, Phase phase, llvm::raw_ostream &out) {
  if (phase >= Phase::Glsl)
    return printShaders(model, phase, out);
  if (!toPhase(model, Phase::Graph, std::min(phase, Phase::Llvm)))
    return false;
  if (phase < Phase::Llvm) {
    model.module->print(out);
    return true;
  }
  ObjectOptions options;
  options.optLevel = model.optLevel;
  options.form = phase == Phase::Asm ? CodeForm::Assembly : CodeForm::LlvmText;
  auto code =
      printed(model, makeObjectCode(*model.module, nullptr, model.target,
                                    options, model.timings));
  if (failed(code))
    return false;
  out.write(code->data(), code->size());
  return true;
}

/// What the stages that make code do for all functions together is shared out
/// by their sizes.
static void printKernelTimes(const Timings &timings) {
  double shared = 0, instructions = 0;
  for (const auto &[stage, milliseconds] : timings.all())
    for (const char *makesCode :
         {"loops", "llvm", "translate", "llvm passes", "codegen"})
      if (stage == makesCode)
        shared += milliseconds;
  for (const Timings::Kernel &kernel : timings.kernels) {
    shared -= kernel.passes + kernel.codegen;
    instructions += kernel.instructions;
  }
  if (instructions == 0)
    return;
  std::vector<std::pair<double, const Timings::Kernel *>> rows;
  for (const Timings::Kernel &kernel : timings.kernels)
    if (kernel.codegen > 0) // else merged with an equal one, or inlined
      rows.push_back({kernel.passes + kernel.codegen +
                          shared * kernel.instructions / instructions,
                      &kernel});
  llvm::sort(rows, [](auto &a, auto &b) { return a.first > b.first; });
  fprintf(stderr, "\n    of it  llvm passes   codegen  kernel\n");
  for (auto &[milliseconds, kernel] : rows)
    fprintf(stderr, "%6.1f ms  %8.1f ms %6.1f ms  %s\n", milliseconds,
            kernel->passes, kernel->codegen, kernel->function.c_str());
}

void mapsto::printTimings(const Timings &timings) {
  double total = 0;
  for (const auto &[stage, milliseconds] : timings.all())
    total += milliseconds;
  for (const auto &[stage, milliseconds] : timings.all())
    fprintf(stderr, "%9.1f ms %5.1f %%  %s\n", milliseconds,
            total ? 100 * milliseconds / total : 0, stage.c_str());
  fprintf(stderr, "%9.1f ms          total\n", total);
  printKernelTimes(timings);
}
