//===- Weights.h - The weights that go with a model -------------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_WEIGHTS_H
#define MAPSTO_TOOLS_WEIGHTS_H

#include "frontends/weights/Weights.h"
#include "tools/mapsto/Load.h"

namespace mapsto {

/// Makes these tensors, which `storage` keeps, the weights of a model.
void setWeights(Model &model, std::shared_ptr<void> storage,
                llvm::ArrayRef<WeightTensor> tensors);

/// Opens what --weights names (files, `random:SEED`, or nothing for a model
/// without parameters) and checks it against the model. On failure false, with
/// the errors printed: every missing and every misfitting weight is named.
bool loadWeights(Model &model, const std::vector<std::string> &weights);

} // namespace mapsto

#endif // MAPSTO_TOOLS_WEIGHTS_H
