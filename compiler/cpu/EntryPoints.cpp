#include "compiler/cpu/EntryPoints.h"
#include "compiler/cpu/ObjectCode.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace mapsto;

namespace {

class EntryPoints {
public:
  EntryPoints(llvm::Module &module, const ManifestModel &manifest,
              llvm::GlobalVariable &image)
      : module(module), manifest(manifest), image(image),
        builder(module.getContext()), prefix(identifierOf(manifest.name)) {}

  void add() {
    addOpen();
    addRun();
    forward("_reset", "mapsto_session_reset", word32);
    forward("_error", "mapsto_session_error", pointer);
    forward("_close", "mapsto_session_free", nothing);
  }

private:
  llvm::Function *begin(const llvm::Twine &name, llvm::Type *result,
                        llvm::ArrayRef<llvm::Type *> arguments) {
    auto *type = llvm::FunctionType::get(result, arguments, false);
    auto *function = llvm::Function::Create(
        type, llvm::GlobalValue::ExternalLinkage, prefix + name, module);
    builder.SetInsertPoint(
        llvm::BasicBlock::Create(module.getContext(), "", function));
    return function;
  }

  llvm::Value *call(llvm::StringRef name, llvm::Type *result,
                    llvm::ArrayRef<llvm::Value *> arguments) {
    llvm::SmallVector<llvm::Type *> types;
    for (llvm::Value *argument : arguments)
      types.push_back(argument->getType());
    return builder.CreateCall(
        module.getOrInsertFunction(
            name, llvm::FunctionType::get(result, types, false)),
        arguments);
  }

  void finish(llvm::Value *value) {
    if (value->getType()->isVoidTy())
      builder.CreateRetVoid();
    else
      builder.CreateRet(value);
  }

  void forward(const char *name, llvm::StringRef callee, llvm::Type *result) {
    llvm::Function *function = begin(name, result, {pointer});
    finish(call(callee, result, {function->getArg(0)}));
  }

  void addOpen() {
    llvm::Function *at = begin("_open_at", pointer, {pointer});
    finish(call("mapsto_open_session", pointer, {&image, at->getArg(0)}));
    begin("_open", pointer, {});
    finish(call("mapsto_open_session", pointer,
                {&image, llvm::ConstantPointerNull::get(
                             llvm::cast<llvm::PointerType>(pointer))}));
  }

  /// The arguments from `first` on, laid out in memory.
  llvm::Value *inMemory(llvm::Function *function, unsigned first,
                        unsigned count, llvm::Type *type) {
    llvm::Value *array =
        builder.CreateAlloca(type, builder.getInt32(count == 0 ? 1 : count));
    for (unsigned i = 0; i != count; ++i)
      builder.CreateStore(function->getArg(first + i),
                          builder.CreateConstInBoundsGEP1_32(type, array, i));
    return array;
  }

  void addRun() {
    unsigned inputs = manifest.inputs.size();
    unsigned sizes = manifest.symbols.size();
    unsigned outputs = manifest.outputs.size();
    llvm::SmallVector<llvm::Type *> types = {pointer};
    types.append(inputs, pointer);
    types.append(sizes, word64);
    types.append(outputs, pointer);
    llvm::Function *run = begin("_run", word32, types);
    llvm::Value *in = inMemory(run, 1, inputs, pointer);
    llvm::Value *dims = inMemory(run, 1 + inputs, sizes, word64);
    llvm::Value *out = inMemory(run, 1 + inputs + sizes, outputs, pointer);
    finish(
        call("mapsto_session_call", word32, {run->getArg(0), in, dims, out}));
  }

  llvm::Module &module;
  const ManifestModel &manifest;
  llvm::GlobalVariable &image;
  llvm::IRBuilder<> builder;
  std::string prefix;
  llvm::Type *pointer = builder.getPtrTy();
  llvm::Type *word32 = builder.getInt32Ty();
  llvm::Type *word64 = builder.getInt64Ty();
  llvm::Type *nothing = builder.getVoidTy();
};

} // namespace

void mapsto::addEntryPoints(llvm::Module &module, const ManifestModel &manifest,
                            llvm::GlobalVariable &image) {
  EntryPoints(module, manifest, image).add();
}
