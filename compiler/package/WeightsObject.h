//===- WeightsObject.h - Weights as an object file --------------*- C++ -*-===//
//
// A relocatable ELF object with one read-only section, 64-byte aligned, that
// holds the packed weights under a hidden symbol. It is written front to back,
// so weights of any size pass through without being held in memory.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_WEIGHTSOBJECT_H
#define MAPSTO_COMPILER_PACKAGE_WEIGHTSOBJECT_H

#include "compiler/cpu/Target.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

namespace mapsto {

/// Writes the object to `out`, which is at its start. `writeWeights` must write
/// exactly `size` bytes and may fail, which is returned.
bool writeWeightsObject(
    llvm::raw_ostream &out, const Target &target, llvm::StringRef symbol,
    uint64_t size, llvm::function_ref<bool(llvm::raw_ostream &)> writeWeights);

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_WEIGHTSOBJECT_H
