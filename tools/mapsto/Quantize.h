//===- Quantize.h - Weights in fewer bits -----------------------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_QUANTIZE_H
#define MAPSTO_TOOLS_QUANTIZE_H

#include "tools/mapsto/Load.h"

namespace mapsto {

/// Says in the model's graph which weights are stored in how many bits: as
/// --quantize asks for or else, where the weights file has f16 or bf16 for
/// f32, as they are in the file. On failure false, with the errors printed.
bool quantizeWeights(Model &model, const Arguments &arguments);

/// What --quantize did to each weight and to all, as lines of text.
std::string quantizationReport(const Model &model);

} // namespace mapsto

#endif // MAPSTO_TOOLS_QUANTIZE_H
