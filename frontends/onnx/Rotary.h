//===- Rotary.h - Rotary position embedding ---------------------*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_ONNX_ROTARY_H
#define MAPSTO_FRONTENDS_ONNX_ROTARY_H

#include "frontends/onnx/Node.h"

namespace mapsto::onnx {

/// Turns pairs of features by their position's angle (Su et al.,
/// arXiv:2104.09864): x is [B, H, T, D], cosines and sines [B, T, R / 2]; the
/// first R features are turned. Pairs are neighbours if `interleaved`, else
/// feature d and d + R / 2. Reported where the shapes do not fit.
FailureOr<mlir::Value> rotate(Node &n, mlir::Value x, mlir::Value cosines,
                              mlir::Value sines, bool interleaved);

/// Rows of a table of cosines or sines [P, R / 2] at positions [B, T].
mlir::Value rowsAt(Node &n, mlir::Value table, mlir::Value positions);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_ROTARY_H
