//===- Triangle.h - Tables that are a triangle of one value -----*- C++ -*-===//
//
// Causal masks are often stored as tables of the longest length that a model
// was made for. Written as a comparison of indices such a table takes no
// memory, and an attention that reads it can tell which keys it need not see.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_TRIANGLE_H
#define MAPSTO_FRONTENDS_ONNX_TRIANGLE_H

#include "frontends/onnx/ModelFile.h"

#include "mlir/IR/Builders.h"

namespace mapsto::onnx {

/// The table as a tensor of `type`, if its last two axes are a triangle of one
/// value beside one of another, and all other axes have size 1; else null.
mlir::Value buildTriangle(mlir::OpBuilder &b, const TensorData &data,
                          mlir::RankedTensorType type);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_TRIANGLE_H
