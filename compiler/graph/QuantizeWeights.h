//===- QuantizeWeights.h - Which parameters may be narrow -------*- C++ -*-===//

#ifndef MAPSTO_COMPILER_GRAPH_QUANTIZEWEIGHTS_H
#define MAPSTO_COMPILER_GRAPH_QUANTIZEWEIGHTS_H

#include "dialect/MapstoDialect.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mapsto {

/// In how many bits weights may be stored.
enum class WeightFormat { F16, BF16, Int8 };

/// "f16", "bf16", "int8".
std::optional<WeightFormat> parseWeightFormat(llvm::StringRef name);

/// What storeNarrow did.
struct NarrowedWeights {
  int64_t stored = 0;            ///< in fewer bits
  std::vector<std::string> kept; ///< as they were: they would not be smaller
};

/// Says of matrices of a module in phase graph how they are stored: of those
/// that a product or a lookup reads, each as `formatOf` its name says, if it
/// does and takes less memory.
NarrowedWeights storeNarrow(
    mlir::ModuleOp module,
    llvm::function_ref<std::optional<WeightFormat>(llvm::StringRef name)>
        formatOf);

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_QUANTIZEWEIGHTS_H
