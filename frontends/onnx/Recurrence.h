//===- Recurrence.h - What RNN, LSTM and GRU have in common -----*- C++ -*-===//
//
// Inputs and attributes of a recurrent op, read and checked, and its outputs
// put together from those of its directions.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_RECURRENCE_H
#define MAPSTO_FRONTENDS_ONNX_RECURRENCE_H

#include "frontends/onnx/Activations.h"

namespace mapsto::onnx {

/// One direction of a recurrent op. Weights are as the dialect's recurrences
/// have them: [G*H, I], [G*H, H], [G*H]; states are [B, H].
struct Direction {
  mlir::Value x; ///< [T, B, I], or [B, T, I] with `axis` 1
  mlir::Value wIh, wHh;
  mlir::Value bIh, bHh; ///< null without biases
  mlir::Value h0, c0;   ///< null: zeros
  mlir::Value lengths;  ///< [B]; null: every row is as long as x
  llvm::SmallVector<mlir::Value, 3> peepholes; ///< [H] each, or none
  llvm::ArrayRef<Activation> activations;
  int64_t axis;
  bool reverse;
};

class Recurrence {
public:
  /// `gates` says which of the op's gates comes at each place of the dialect's
  /// order.
  Recurrence(Node &n, llvm::ArrayRef<int64_t> gates,
             llvm::ArrayRef<Activation::Kind> activations)
      : n(n), gates(gates), defaults(activations) {}

  LogicalResult read();
  /// No activation but the default ones, no clip.
  bool isPlain() const;
  /// Builds every direction: `layer` makes [out, final states...] of one.
  LogicalResult
  build(llvm::function_ref<llvm::SmallVector<mlir::Value>(const Direction &)>
            layer);

  //===--- Ways to write a layer as a scan --------------------------------===//

  /// From the states and the input's projection [B, G*H] of a step to the new
  /// states.
  using Step = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::ValueRange states, mlir::Value x)>;
  /// The recurrence whose step is `step`, over x W_ih^T plus b_ih, and b_hh too
  /// with `withRecurrentBias`: [out, final states...].
  llvm::SmallVector<mlir::Value> scan(const Direction &d, unsigned states,
                                      bool withRecurrentBias, Step step);
  /// The i-th gate's part of [B, G*H].
  mlir::Value gate(mlir::Value x, int64_t i);
  /// h times the transposed rows of W_hh that belong to gates [from, from +
  /// count), gate by gate.
  llvm::SmallVector<mlir::Value> recurrent(const Direction &d, mlir::Value h,
                                           int64_t from, int64_t count);
  /// Within [-clip, clip], where there is one.
  mlir::Value clipped(mlir::Value x);
  /// Rows [from, from + count) of gates of W_hh or b_hh, made where they are.
  mlir::Value gateRows(mlir::Value x, int64_t from, int64_t count);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value addBias(mlir::Value x, mlir::Value bias);

private:
  LogicalResult readSizes();
  LogicalResult checkInput(size_t i, llvm::ArrayRef<Dim> dims);
  FailureOr<Direction> direction(int64_t d);
  mlir::Value blocks(size_t input, int64_t d, llvm::ArrayRef<int64_t> which);
  FailureOr<mlir::Value> state(size_t input, int64_t d);
  FailureOr<mlir::Value> lengths();

  Node &n;
  llvm::SmallVector<int64_t, 4> gates;
  llvm::SmallVector<Activation::Kind, 3> defaults;
  llvm::SmallVector<Activation> activations;
  std::optional<double> clip;
  int64_t directions = 1, hidden = 0;
  bool firstReverse = false, batchFirst = false;
  Dim steps, batch, inputSize;
};

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_RECURRENCE_H
