#include "compiler/cpu/Target.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/TargetParser/X86TargetParser.h"

#include <mutex>
#include <unistd.h>

using namespace mapsto;

extern "C" {
void LLVMInitializeX86TargetInfo();
void LLVMInitializeX86Target();
void LLVMInitializeX86TargetMC();
void LLVMInitializeX86AsmPrinter();
void LLVMInitializeX86AsmParser();
void LLVMInitializeAArch64TargetInfo();
void LLVMInitializeAArch64Target();
void LLVMInitializeAArch64TargetMC();
void LLVMInitializeAArch64AsmPrinter();
void LLVMInitializeAArch64AsmParser();
}

namespace {

void initializeX86() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser();
}

void initializeAArch64() {
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser();
}

/// LLVM's generator for the triple, made known on first use; null for an
/// architecture that Mapsto does not support.
const llvm::Target *lookup(const llvm::Triple &triple, std::string &error) {
  static std::once_flag x86, aarch64;
  if (triple.getArch() == llvm::Triple::x86_64) {
    std::call_once(x86, initializeX86);
  } else if (triple.getArch() == llvm::Triple::aarch64) {
    std::call_once(aarch64, initializeAArch64);
  } else {
    error = "cannot make code for `" + triple.str() +
            "`: x86_64 and aarch64 are supported";
    return nullptr;
  }
  return llvm::TargetRegistry::lookupTarget(triple, error);
}

std::unique_ptr<llvm::MCSubtargetInfo> subtarget(const llvm::Target &target,
                                                 const llvm::Triple &triple,
                                                 llvm::StringRef cpu,
                                                 llvm::StringRef features) {
  return std::unique_ptr<llvm::MCSubtargetInfo>(
      target.createMCSubtargetInfo(triple, cpu, features));
}

/// What this machine has, as LLVM's feature list: present ones with '+', the
/// others with '-', so that a virtual machine that hides a feature of its CPU
/// is not asked for it.
std::string hostFeatures() {
  std::vector<std::string> list;
  for (const auto &[name, present] : llvm::sys::getHostCPUFeatures())
    list.push_back((present ? "+" : "-") + name.str());
  llvm::sort(list);
  return llvm::join(list, ",");
}

/// Features in use that are instructions, not tuning advice.
std::vector<std::string> requiredFeatures(const llvm::MCSubtargetInfo &info,
                                          const llvm::Triple &triple,
                                          llvm::StringRef cpu, bool native) {
  std::vector<std::string> names;
  if (triple.isX86()) {
    llvm::SmallVector<llvm::StringRef> features;
    llvm::X86::getFeaturesForCPU(cpu, features);
    for (llvm::StringRef name : features)
      names.push_back(name.str());
    if (native)
      for (const auto &[name, present] : llvm::sys::getHostCPUFeatures()) {
        if (!present)
          llvm::erase(names, name.str());
        else if (!llvm::is_contained(names, name.str()))
          names.push_back(name.str());
      }
  } else {
    for (const llvm::SubtargetFeatureKV &feature :
         info.getEnabledProcessorFeatures())
      names.push_back(feature.Key);
  }
  llvm::sort(names);
  return names;
}

/// The data caches of a core. Those of this machine for `native`; otherwise
/// what most CPUs with such vectors have, since an artifact is carried around:
/// 1 MiB comes with AVX-512 (Skylake-SP, Zen 4), 512 KiB with AVX2 (all Zen)
/// and AArch64's larger cores, 256 KiB with what is older.
void setCaches(Target &target, bool native) {
  target.l1Bytes = 32 << 10;
  target.l2Bytes = target.vectorBits == 512                      ? 1 << 20
                   : target.vectorBits == 256 || !target.isX86() ? 512 << 10
                                                                 : 256 << 10;
#ifdef _SC_LEVEL1_DCACHE_SIZE
  if (!native)
    return;
  // 0 where the kernel does not know.
  if (long bytes = sysconf(_SC_LEVEL1_DCACHE_SIZE); bytes > 0)
    target.l1Bytes = bytes;
  if (long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0)
    target.l2Bytes = bytes;
#endif
}

} // namespace

bool Target::isX86() const { return llvm::Triple(triple).isX86(); }
bool Target::isAArch64() const { return llvm::Triple(triple).isAArch64(); }

bool mapsto::findTarget(llvm::StringRef cpu, llvm::StringRef tripleText,
                        Target &target, std::string &error) {
  llvm::Triple host(llvm::sys::getProcessTriple());
  llvm::Triple triple(
      llvm::Triple::normalize(tripleText.empty() ? host.str() : tripleText));
  const llvm::Target *generator = lookup(triple, error);
  if (!generator)
    return false;

  bool native = cpu == "native";
  if (native && triple.getArch() != host.getArch()) {
    error = "`--cpu native` is this machine's " + host.getArchName().str() +
            ", but the target is " + triple.getArchName().str();
    return false;
  }
  target.triple = triple.str();
  if (native) {
    target.cpu = llvm::sys::getHostCPUName().str();
    target.features = hostFeatures();
  } else {
    target.cpu = !cpu.empty()     ? cpu.str()
                 : triple.isX86() ? "x86-64-v3"
                                  : "generic";
    target.features.clear();
  }

  auto names = subtarget(*generator, triple, "", "");
  if (!names || !names->isCPUStringValid(target.cpu)) {
    error =
        "unknown CPU `" + target.cpu + "` for " + triple.getArchName().str();
    return false;
  }

  auto info = subtarget(*generator, triple, target.cpu, target.features);
  target.required = requiredFeatures(*info, triple, target.cpu, native);
  if (triple.isX86()) {
    bool avx512 = info->checkFeatures("+avx512f,+avx512vl");
    bool avx2 = info->checkFeatures("+avx2,+fma");
    target.vectorBits = avx512 ? 512 : avx2 ? 256 : 128;
    target.registers = avx512 ? 32 : 16;
  } else {
    target.vectorBits = 128;
    target.registers = 32;
  }
  setCaches(target, native);
  return true;
}

std::vector<std::string> mapsto::knownCpus(llvm::StringRef tripleText) {
  llvm::Triple triple(tripleText.empty() ? llvm::sys::getProcessTriple()
                                         : tripleText.str());
  std::string error;
  std::vector<std::string> names = {"native"};
  const llvm::Target *generator = lookup(triple, error);
  if (!generator)
    return names;
  auto info = subtarget(*generator, triple, "", "");
  llvm::SmallVector<llvm::StringRef> x86;
  if (triple.isX86())
    llvm::X86::fillValidCPUArchList(x86, /*Only64Bit=*/true);
  for (const llvm::SubtargetSubTypeKV &cpu :
       info->getAllProcessorDescriptions())
    if (!triple.isX86() || llvm::is_contained(x86, llvm::StringRef(cpu.Key)))
      names.push_back(cpu.Key);
  llvm::sort(names);
  return names;
}

std::unique_ptr<llvm::TargetMachine>
mapsto::createTargetMachine(const Target &target, int optLevel) {
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *generator = lookup(triple, error);
  if (!generator)
    return nullptr;
  llvm::TargetOptions options;
  options.FunctionSections = true;
  options.DataSections = true;
  options.UniqueSectionNames = true;
  llvm::CodeGenOptLevel level = optLevel >= 3
                                    ? llvm::CodeGenOptLevel::Aggressive
                                : optLevel == 2 ? llvm::CodeGenOptLevel::Default
                                : optLevel == 1 ? llvm::CodeGenOptLevel::Less
                                                : llvm::CodeGenOptLevel::None;
  return std::unique_ptr<llvm::TargetMachine>(generator->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      std::nullopt, level));
}
