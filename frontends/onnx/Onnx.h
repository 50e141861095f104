//===- Onnx.h - From an ONNX model to the graph dialect ---------*- C++ -*-===//
//
// The one entry point of the ONNX frontend: a .onnx file in, a module of the
// `mapsto` dialect out, with the file's tensors as its weights. Shape
// arithmetic is computed here, on sizes over symbols, so that none of it is
// left in the module.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_ONNX_H
#define MAPSTO_FRONTENDS_ONNX_ONNX_H

#include "frontends/weights/Weights.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mapsto {

struct OnnxOptions {
  /// Symbolic sizes fixed to a number, by the name the file gives them.
  std::map<std::string, int64_t> dims;
  /// Inputs whose value is known when the model is compiled. Where the value
  /// decides a shape it is used, and the input is not one any more.
  std::map<std::string, WeightTensor> values;
};

/// What is wrong with a model: a line, and what to do about it (or nothing).
struct OnnxError {
  std::string message, hint;
};

struct OnnxModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// By the names that `mapsto.weight` has. Views of the file, or of what was
  /// made of it; valid as long as this.
  std::vector<WeightTensor> weights;
  /// Inputs of the file that were taken from `OnnxOptions::values`.
  std::vector<std::string> fixedInputs;
  std::shared_ptr<void> storage; ///< what the views point into
};

/// Reads and imports `path`. Null `module`, and every reason in `errors`, where
/// it cannot be imported: all ops and attributes that are not known at once.
OnnxModel importOnnx(mlir::MLIRContext &context, llvm::StringRef path,
                     const OnnxOptions &options,
                     std::vector<OnnxError> &errors);

/// The ops that are imported, sorted; those of another domain than ONNX's own
/// with it before the name ("com.microsoft.Attention").
std::vector<std::string> onnxOps();

/// An input that a model's file declares, those with a default left out.
struct OnnxInput {
  std::string name;
  std::optional<mapsto_dtype> dtype; ///< nothing for what is not a tensor, or
                                     ///< of elements that are not supported
  std::vector<int64_t> shape;        ///< -1: not a number
};

/// The inputs of a model in the file's order. False, with the reason, where the
/// file is damaged.
bool listOnnxInputs(llvm::StringRef path, std::vector<OnnxInput> &inputs,
                    std::string &error);

/// A tensor of a .pb file, as ONNX's own test data has its inputs and outputs.
/// False, with the reason, where it is not one. The bytes are kept in
/// `storage`.
bool readOnnxTensor(llvm::StringRef path, WeightTensor &tensor,
                    std::shared_ptr<void> &storage, std::string &error);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_ONNX_ONNX_H
