//===- Activations.h - The activations of RNN, LSTM and GRU -----*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_ONNX_ACTIVATIONS_H
#define MAPSTO_FRONTENDS_ONNX_ACTIVATIONS_H

#include "frontends/onnx/Node.h"

namespace mapsto::onnx {

/// A function of a recurrent op, with its parameters where it has some.
struct Activation {
  enum Kind {
    Affine,
    Elu,
    HardSigmoid,
    LeakyRelu,
    Relu,
    ScaledTanh,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu
  };
  Kind kind;
  double alpha = 0, beta = 0;

  mlir::Value operator()(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::Value x) const;
};

/// The functions of a node, those of the first direction before those of the
/// second. Its attributes `activation_alpha` and `activation_beta` are taken in
/// order by the functions that have such a parameter; what they do not reach
/// has the default of the op of the same name.
FailureOr<llvm::SmallVector<Activation>>
readActivations(Node &n, llvm::ArrayRef<Activation::Kind> defaults,
                int64_t directions);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_ACTIVATIONS_H
