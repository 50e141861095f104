//===- AttentionOperands.h - What queries and keys were made of -*- C++ -*-===//

#ifndef MAPSTO_COMPILER_GRAPH_ATTENTIONOPERANDS_H
#define MAPSTO_COMPILER_GRAPH_ATTENTIONOPERANDS_H

#include "compiler/graph/Build.h"

namespace mapsto {

/// If x is y times a number, be it under transposes and reshapes: y, shaped as
/// x, with the number multiplied into `factor`; else x.
mlir::Value withoutFactor(GraphBuilder &b, mlir::Value x, double &factor);

/// If each slice of x along `axis` is repeated a number of times in a row, as
/// when heads of keys are handed to groups of queries: how often at most.
Dim repeatsAlong(mlir::Value x, int64_t axis);

/// x without the `times` repeats of its slices along `axis`.
mlir::Value withoutRepeats(GraphBuilder &b, mlir::Value x, int64_t axis,
                           const Dim &times);

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_ATTENTIONOPERANDS_H
