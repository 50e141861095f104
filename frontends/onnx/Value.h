//===- Value.h - What a name of an ONNX graph stands for --------*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_ONNX_VALUE_H
#define MAPSTO_FRONTENDS_ONNX_VALUE_H

#include "dialect/Dims.h"
#include "frontends/onnx/ModelFile.h"
#include "frontends/onnx/Onnx.h"

#include "mlir/IR/Value.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mapsto::onnx {

/// Whole numbers (or booleans) that are known when the model is compiled: what
/// becomes of Shape -> Gather -> Concat chains. An element is a size over
/// symbols. They may be of floats, as where sizes are cast to be multiplied.
struct Known {
  llvm::SmallVector<int64_t, 2> shape;
  llvm::SmallVector<Dim> elements; ///< row-major
  /// Inputs of the model whose given value this was computed from: it holds
  /// only if they are fixed to it.
  llvm::SmallVector<std::string, 1> assumes;

  static Known list(llvm::ArrayRef<Dim> elements) {
    return {{int64_t(elements.size())}, {elements.begin(), elements.end()}, {}};
  }
  static Known scalar(Dim element) { return {{}, {std::move(element)}, {}}; }
};

/// A value is one of: a tensor of the module, elements from the file, known
/// numbers, a sequence of values; the two in the middle become the first when a
/// tensor of them is asked for.
///
/// Unsigned and 16-bit integers are computed with in wider signless ones (see
/// `carrierOf`); `type` is what ONNX says.
struct Value {
  mlir::Type type; ///< of the elements; null: this input was left out
  mlir::Value tensor;
  std::optional<TensorData> data;
  std::optional<Known> known;
  /// The value that an input will have, should a shape depend on it.
  std::optional<TensorData> given;
  /// The values of a sequence of known length; `type` is theirs.
  std::shared_ptr<const std::vector<Value>> list;
  std::string name;
  bool none = false;     ///< an optional that holds nothing
  bool poisoned = false; ///< what makes it was reported already

  explicit operator bool() const { return bool(type); }
};

/// The element type of an ONNX data type; null for those that are not read.
mlir::Type typeOf(mlir::MLIRContext *context, int32_t dataType);
/// What values of an ONNX type are.
OnnxForm formOf(const TypeProto &type);
/// The data type's number of an element type.
int32_t dataTypeOf(mlir::Type type);
/// What tensors of these elements are kept as: a byte for each of 2 or 4 bits,
/// else the type itself.
mlir::Type storedAs(mlir::Type type);
/// What tensors of these elements are computed with: i32 for ui8 and all
/// integers of 2, 4 and 16 bits, i64 for ui32 and ui64, else the type itself.
mlir::Type carrierOf(mlir::Type type);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_VALUE_H
