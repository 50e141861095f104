//===- VerifyTrials.h - What a model is verified at -------------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_MAPSTO_VERIFYTRIALS_H
#define MAPSTO_TOOLS_MAPSTO_VERIFYTRIALS_H

#include "dialect/interpreter/Tensor.h"
#include "tools/mapsto/Commands.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>
#include <string>
#include <vector>

namespace mapsto {

using Sizes = std::map<std::string, int64_t>;

/// Sizes nobody gave are small primes: tails everywhere. --sizes lists
/// several settings, --trials draws some around the sizes of vectors and
/// tiles. False where an option is wrong; that has been said.
bool chooseTrials(mlir::func::FuncOp entry, const Arguments &arguments,
                  std::vector<Sizes> &trials);

/// What --input gives, which settles sizes; for the rest random numbers.
bool makeInputs(mlir::func::FuncOp entry, const Arguments &arguments,
                Sizes &sizes, std::vector<Tensor> &inputs);

} // namespace mapsto

#endif // MAPSTO_TOOLS_MAPSTO_VERIFYTRIALS_H
