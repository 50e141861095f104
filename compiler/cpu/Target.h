//===- Target.h - The CPU that code is made for -----------------*- C++ -*-===//
//
// A target by name: `native`, a level such as `x86-64-v3`, or any CPU that LLVM
// knows; for this machine's architecture or, by triple, for another.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_CPU_TARGET_H
#define MAPSTO_COMPILER_CPU_TARGET_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llvm {
class TargetMachine;
} // namespace llvm

namespace mapsto {

struct Target {
  std::string triple;          ///< "x86_64-pc-linux-gnu"
  std::string cpu;             ///< LLVM's name: "x86-64-v3", "znver3"
  std::string features;        ///< LLVM's list: "+avx2,+fma,-avx512f"
  unsigned vectorBits = 128;   ///< width of a vector register
  unsigned registers = 16;     ///< how many vector registers there are
  int64_t l1Bytes = 32 << 10;  ///< a core's first-level data cache
  int64_t l2Bytes = 512 << 10; ///< a core's second-level cache
  /// What a core can hope for of the last level, which it shares. A constant:
  /// CPUs report that of a whole socket.
  int64_t l3Bytes = 32 << 20;
  /// Features that generated code may use, by LLVM's names without '+': what
  /// an artifact checks for before it runs.
  std::vector<std::string> required;

  bool isX86() const;
  bool isAArch64() const;
};

/// Finds a target. `cpu` empty means the portable default (x86-64-v3, or the
/// architecture's generic CPU); `native` is the machine at hand and needs the
/// triple to be this machine's. `triple` empty means this machine's. On failure
/// false, and `error` is one line for the user.
bool findTarget(llvm::StringRef cpu, llvm::StringRef triple, Target &target,
                std::string &error);

/// The names a user may give with --cpu for this triple, sorted.
std::vector<std::string> knownCpus(llvm::StringRef triple);

/// A code generator for the target: position-independent code, and as much work
/// as `optLevel` (0 to 3) asks for. The target comes from `findTarget`.
std::unique_ptr<llvm::TargetMachine> createTargetMachine(const Target &target,
                                                         int optLevel);

} // namespace mapsto

#endif // MAPSTO_COMPILER_CPU_TARGET_H
