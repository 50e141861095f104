#include "compiler/cpu/ObjectCode.h"
#include "compiler/KernelAttributes.h"
#include "compiler/cpu/EntryPoints.h"
#include "compiler/cpu/KernelTimes.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalAlias.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/MergeFunctions.h"

using namespace mapsto;

std::string mapsto::identifierOf(llvm::StringRef model) {
  std::string result;
  for (size_t i = 0; i != model.size(); ++i) {
    char c = model[i];
    bool upper = llvm::isUpper(c);
    // A new word: aB, or the last capital of ABc.
    if (upper && i != 0 &&
        (llvm::isLower(model[i - 1]) ||
         (llvm::isUpper(model[i - 1]) && i + 1 != model.size() &&
          llvm::isLower(model[i + 1]))))
      result += '_';
    result += llvm::isAlnum(c) ? llvm::toLower(c) : '_';
  }
  if (result.empty() || llvm::isDigit(result[0]))
    result.insert(0, "model_");
  return result;
}

std::string mapsto::imageSymbol(llvm::StringRef model) {
  return "mapsto_image_" + identifierOf(model);
}
std::string mapsto::weightsSymbol(llvm::StringRef model) {
  return "mapsto_weights_" + identifierOf(model);
}

namespace {

llvm::GlobalVariable *addConstant(llvm::Module &module, llvm::Constant *value,
                                  const llvm::Twine &name, uint64_t align) {
  auto *global =
      new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                               llvm::GlobalValue::PrivateLinkage, value, name);
  global->setAlignment(llvm::Align(align));
  return global;
}

/// The name of the function that a kernel's code is in.
std::string entryOf(mlir::ModuleOp module, llvm::StringRef kernel) {
  if (auto merged = module->getAttrOfType<mlir::DictionaryAttr>(kMergedAttr))
    if (auto other = merged.getAs<mlir::StringAttr>(kernel))
      kernel = other.getValue();
  return ("mapsto_kernel_" + kernel).str();
}

/// A table of the kernels. From here on their functions are known by their
/// address in it alone, so equal ones may become one.
llvm::Constant *addKernelTable(llvm::Module &module,
                               llvm::ArrayRef<llvm::Constant *> kernels) {
  auto *pointer = llvm::PointerType::getUnqual(module.getContext());
  auto *type = llvm::ArrayType::get(pointer, kernels.size());
  return addConstant(module, llvm::ConstantArray::get(type, kernels),
                     "mapsto_kernels", 8);
}

/// The `mapsto_image` of runtime/mapsto.h.
llvm::GlobalVariable *addImage(llvm::Module &module,
                               const ManifestModel &manifest,
                               llvm::ArrayRef<llvm::Constant *> kernels,
                               const ObjectOptions &options) {
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::getUnqual(context);
  auto word = [&](uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value);
  };
  auto half = [&](uint32_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), value);
  };
  std::vector<uint8_t> blob = serialize(manifest);
  llvm::Constant *data =
      addConstant(module, llvm::ConstantDataArray::get(context, blob),
                  "mapsto_manifest", 8);

  llvm::Constant *weights = llvm::ConstantPointerNull::get(pointer);
  if (options.linkedWeights && manifest.weightsSize != 0) {
    auto *symbol = new llvm::GlobalVariable(
        module, llvm::Type::getInt8Ty(context), /*isConstant=*/true,
        llvm::GlobalValue::ExternalLinkage, nullptr,
        weightsSymbol(manifest.name));
    symbol->setVisibility(llvm::GlobalValue::HiddenVisibility);
    weights = symbol;
  }
  llvm::Constant *backend = llvm::ConstantPointerNull::get(pointer);
  if (options.backend && !manifest.shaders.empty())
    backend = new llvm::GlobalVariable(
        module, llvm::Type::getInt8Ty(context), /*isConstant=*/true,
        llvm::GlobalValue::ExternalLinkage, nullptr, "mapsto_vulkan_backend");
  llvm::Constant *fields[] = {half(MAPSTO_IMAGE_MAGIC),
                              half(MAPSTO_IMAGE_VERSION),
                              data,
                              word(blob.size()),
                              addKernelTable(module, kernels),
                              word(kernels.size()),
                              weights,
                              word(manifest.weightsSize),
                              backend};
  // As aligned as the runtime's thread-local memory, which precedes it in an
  // executable: else lld may leave a page of the file between the two.
  constexpr unsigned kAlignment = 16;
  auto *image = addConstant(module, llvm::ConstantStruct::getAnon(fields),
                            imageSymbol(manifest.name), kAlignment);
  image->setLinkage(llvm::GlobalValue::ExternalLinkage);
  if (options.modelImage)
    llvm::GlobalAlias::create(image->getValueType(), 0,
                              llvm::GlobalValue::ExternalLinkage,
                              "mapsto_model_image", image, &module);
  return image;
}

void prepareFunctions(llvm::Module &module, const Target &target,
                      bool hideKernels) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty())
      function.addFnAttr("target-features", target.features);
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (hideKernels) {
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
      function.setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
    }
  }
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine, int optLevel,
              KernelTimes &times) {
  static constexpr const llvm::OptimizationLevel *levels[] = {
      &llvm::OptimizationLevel::O0, &llvm::OptimizationLevel::O1,
      &llvm::OptimizationLevel::O2, &llvm::OptimizationLevel::O3};
  // Kernels come vectorised and tiled: looking for more costs time and finds
  // remainder loops.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopInterleaving = false;
  llvm::PassInstrumentationCallbacks callbacks;
  times.attach(callbacks);
  llvm::PassBuilder builder(&machine, tuning, std::nullopt, &callbacks);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  llvm::ModulePassManager passes;
  if (optLevel > 0) // a deep model has the same kernels over and over
    passes.addPass(llvm::MergeFunctionsPass());
  passes.addPass(
      optLevel == 0 ? builder.buildO0DefaultPipeline(*levels[0])
                    : builder.buildPerModuleDefaultPipeline(*levels[optLevel]));
  passes.run(module, modules);
}

} // namespace

mlir::FailureOr<llvm::SmallVector<char, 0>>
mapsto::makeObjectCode(mlir::ModuleOp module, const ManifestModel *manifest,
                       const Target &target, const ObjectOptions &options,
                       Timings &timings) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = timings.measure("translate", [&] {
    return mlir::translateModuleToLLVMIR(module, context, "mapsto");
  });
  auto machine = createTargetMachine(target, options.optLevel);
  if (!code || !machine)
    return module.emitError("cannot translate to LLVM IR");
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  code->setPICLevel(llvm::PICLevel::BigPIC);
  prepareFunctions(*code, target, /*hideKernels=*/manifest != nullptr);
  widenHalf(*code, target);
  if (manifest) {
    llvm::SmallVector<llvm::Constant *> kernels; // in the manifest's order
    for (const ManifestKernel &kernel : manifest->kernels) {
      if (!options.cpu)
        break;
      kernels.push_back(code->getFunction(entryOf(module, kernel.symbol)));
      if (!kernels.back())
        return module.emitError("kernel `" + kernel.symbol + "` has no code");
    }
    llvm::GlobalVariable *image = addImage(*code, *manifest, kernels, options);
    if (options.entryPoints)
      addEntryPoints(*code, *manifest, *image);
  }
  KernelTimes times(timings);
  times.noteSizes(*code);
  timings.measure("llvm passes",
                  [&] { optimize(*code, *machine, options.optLevel, times); });

  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  if (options.form == CodeForm::LlvmText) {
    code->print(stream, nullptr);
    return buffer;
  }
  return timings.measure(
      "codegen", [&]() -> mlir::FailureOr<llvm::SmallVector<char, 0>> {
        llvm::legacy::PassManager emit;
        auto type = options.form == CodeForm::Assembly
                        ? llvm::CodeGenFileType::AssemblyFile
                        : llvm::CodeGenFileType::ObjectFile;
        if (machine->addPassesToEmitFile(emit, stream, nullptr, type))
          return module.emitError("this target cannot write the file");
        times.measureCodegen([&] { emit.run(*code); });
        return std::move(buffer);
      });
}
