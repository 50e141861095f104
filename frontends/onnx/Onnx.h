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
  /// How many tensors the inputs have that are sequences, and optionals of
  /// them; `kNothing` for an optional that holds nothing.
  std::map<std::string, int64_t> lengths;

  static constexpr int64_t kNothing = -1;
  /// Nodes that are imported, those of functions and of loops over and over.
  int64_t mostNodes = 1'000'000;
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

/// What a value of ONNX is. Sequences are of tensors.
enum class OnnxForm { tensor, sequence, optional, optionalSequence, other };

/// The tensor of a sequence at a place, as the compiled model calls it.
std::string onnxElementName(llvm::StringRef sequence, size_t place);

/// An input or output that a model's file declares.
struct OnnxValueInfo {
  std::string name;
  OnnxForm form = OnnxForm::other;
  std::optional<mapsto_dtype> dtype; ///< nothing for what is not a tensor, or
                                     ///< of elements that are not supported
  std::vector<int64_t> shape;        ///< -1: not a number
};

struct OnnxSignature {
  std::vector<OnnxValueInfo> inputs; ///< those with a default left out
  std::vector<OnnxValueInfo> outputs;
};

/// What a model takes and gives, in the file's order. False, with the reason,
/// where the file is damaged.
bool readOnnxSignature(llvm::StringRef path, OnnxSignature &signature,
                       std::string &error);

/// A value of a .pb file, as ONNX's own test data has its inputs and outputs:
/// its tensors, those of a sequence in order.
struct OnnxFileValue {
  std::vector<WeightTensor> tensors;
  bool isNothing = false; ///< an optional that holds nothing
};

/// Reads a value of this form. False, with the reason, where the file has none.
/// The bytes are kept in `storage`.
bool readOnnxValue(llvm::StringRef path, OnnxForm form, OnnxFileValue &value,
                   std::shared_ptr<void> &storage, std::string &error);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_ONNX_ONNX_H
