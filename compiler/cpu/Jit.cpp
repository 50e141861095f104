#include "compiler/cpu/Jit.h"
#include "compiler/cpu/ObjectCode.h"

#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mapsto;

struct Jit::Engine {
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

Jit::Jit() : engine(std::make_unique<Engine>()) {}
Jit::~Jit() = default;

std::unique_ptr<Jit> Jit::create(llvm::ArrayRef<char> object,
                                 llvm::StringRef model, const void *weights,
                                 std::string &error) {
  auto fail = [&](llvm::Error e) {
    error = llvm::toString(std::move(e));
    return nullptr;
  };
  // Makes the generator for this machine known to the JIT.
  Target host;
  if (!findTarget("native", "", host, error))
    return nullptr;
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return fail(jit.takeError());
  // libc and libm, which this process has anyway.
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return fail(process.takeError());
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  if (auto e = (*jit)->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(
          llvm::StringRef(object.data(), object.size()), model)))
    return fail(std::move(e));
  auto symbol = (*jit)->lookup(imageSymbol(model));
  if (!symbol)
    return fail(symbol.takeError());

  std::unique_ptr<Jit> result(new Jit());
  result->linked = *symbol->toPtr<const mapsto_image *>();
  result->linked.weights = weights;
  result->engine->jit = std::move(*jit);
  return result;
}
