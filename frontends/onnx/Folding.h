//===- Folding.h - Arithmetic on numbers that are known ---------*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_ONNX_FOLDING_H
#define MAPSTO_FRONTENDS_ONNX_FOLDING_H

#include "frontends/onnx/Value.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace mapsto::onnx {

/// Element by element over broadcast operands; nothing where one is not known,
/// where shapes clash, or where `compute` has no answer.
std::optional<Known>
fold(llvm::ArrayRef<const Known *> operands,
     llvm::function_ref<std::optional<Dim>(llvm::ArrayRef<Dim>)> compute);

/// Whether a number is above 0 whatever its symbols are: sizes are never
/// negative.
bool isPositive(const Dim &number);

/// Adds the assumptions of `from` to `to`.
void assume(Known &to, const Known &from);

/// x's elements under a new shape: each position's is at the position of x that
/// `from` gives. Nothing where x is null or the result has too many elements to
/// be sizes.
std::optional<Known> rearrange(const Known *x, llvm::ArrayRef<Dim> dims,
                               llvm::function_ref<llvm::SmallVector<int64_t>(
                                   llvm::ArrayRef<int64_t> position)>
                                   from);

/// More whole numbers than this are data, not sizes.
inline constexpr int64_t kMostKnown = 4096;

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_FOLDING_H
