//===- Ops.h - The table of ONNX ops ----------------------------*- C++ -*-===//
//
// One function a family of ops; each adds its lines. To add an op, write its
// builder in the family's file and its line beside the others.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_OPS_H
#define MAPSTO_FRONTENDS_ONNX_OPS_H

#include "frontends/onnx/Node.h"

namespace mapsto::onnx {

/// Builders by op; ops of another domain than ONNX's own are written
/// "com.microsoft.Attention".
using OpTable = llvm::StringMap<Build>;

void addActivationOps(OpTable &table);
void addAlongAxisOps(OpTable &table);
void addArithmeticOps(OpTable &table);
void addAttentionOps(OpTable &table);
void addColumnOps(OpTable &table);
void addContractionOps(OpTable &table);
void addCausalConvolutionOps(OpTable &table);
void addControlOps(OpTable &table);
void addConvolutionOps(OpTable &table);
void addDeterminantOps(OpTable &table);
void addFunctionOps(OpTable &table);
void addGeneratorOps(OpTable &table);
void addGridSampleOps(OpTable &table);
void addIndexingOps(OpTable &table);
void addLinearAttentionOps(OpTable &table);
void addLoopOps(OpTable &table);
void addLossOps(OpTable &table);
void addMicrosoftAttentionOps(OpTable &table);
void addMicrosoftOps(OpTable &table);
void addMovementOps(OpTable &table);
void addNormalizationOps(OpTable &table);
void addPadOps(OpTable &table);
void addPointwiseOps(OpTable &table);
void addPoolingOps(OpTable &table);
void addQuantizeOps(OpTable &table);
void addRecurrentOps(OpTable &table);
void addReduceOps(OpTable &table);
void addRegionOps(OpTable &table);
void addResizeOps(OpTable &table);
void addRotaryOps(OpTable &table);
void addScanOps(OpTable &table);
void addSequenceOps(OpTable &table);
void addShapeOps(OpTable &table);
void addSpectralOps(OpTable &table);
void addTextOps(OpTable &table);
void addTrainingOps(OpTable &table);
void addUniqueOps(OpTable &table);

/// The convolution that the attributes of `n` ask for, of x [N, C, ...] with a
/// weight [O, C / groups, ...]; both of floats.
FailureOr<mlir::Value> convolved(Node &n, mlir::Value x, mlir::Value weight);

/// The matrix product as NumPy's matmul has it: batch axes are broadcast, a
/// vector is a row or a column. Reported at `n` where there is none.
FailureOr<mlir::Value> matrixProduct(Node &n, mlir::Value x, mlir::Value y);

/// The whole table.
const OpTable &opTable();

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_OPS_H
