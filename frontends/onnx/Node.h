//===- Node.h - What the builder of an op works with ------------*- C++ -*-===//
//
// A builder reads its node's inputs and attributes and gives its outputs. What
// it cannot do it says by `fail`. An attribute that it did not ask for is an
// error by itself, so that none is passed over in silence.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_NODE_H
#define MAPSTO_FRONTENDS_ONNX_NODE_H

#include "dialect/Builders.h"
#include "frontends/onnx/Importer.h"

namespace mapsto::onnx {

using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::succeeded;
using mlir::success;

class Node {
public:
  Node(Importer &importer, const NodeProto &proto, std::vector<Value *> inputs);

  Importer &importer;
  const NodeProto &proto;
  mlir::OpBuilder &b;
  mlir::Location loc;

  llvm::StringRef op() const { return proto.op_type(); }
  /// The version of the op's domain that the model asks for.
  int64_t opset() const;

  //===--- Inputs ---------------------------------------------------------===//

  size_t numInputs() const { return inputs.size(); }
  /// Whether input `i` is there (and not left out).
  bool has(size_t i) const { return i < inputs.size() && *inputs[i]; }
  Value &value(size_t i) { return *inputs[i]; }
  /// The element type as ONNX has it; null where the input is left out.
  mlir::Type type(size_t i) const;
  /// Input `i` as a tensor of its carrier type. It must be there.
  mlir::Value in(size_t i);
  /// Its sizes; none where it is left out.
  Dims dims(size_t i);
  int64_t rank(size_t i) { return int64_t(dims(i).size()); }
  /// The numbers of an input, where they are whole and known (or would be
  /// under the assumptions that they name; see `resultOr`).
  const Known *known(size_t i) {
    return has(i) ? importer.knownOf(*inputs[i]) : nullptr;
  }
  /// The numbers of an input that must be known now; reported otherwise.
  FailureOr<llvm::SmallVector<Dim>> sizes(size_t i);
  /// The same without symbols.
  FailureOr<llvm::SmallVector<int64_t>> ints(size_t i);
  /// The elements of an input whose data are in the file, as numbers.
  FailureOr<llvm::SmallVector<double>> floats(size_t i);

  /// Whether sizes that must be equal are; where they have symbols of different
  /// names, the model is imported anew with one name for both.
  bool equal(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b) {
    bool all = a.size() == b.size();
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      all &= importer.equate(a[i], b[i]);
    return all;
  }

  //===--- Attributes -----------------------------------------------------===//

  const AttributeProto *attribute(llvm::StringRef name);
  bool hasAttribute(llvm::StringRef name) { return attribute(name); }
  int64_t attr(llvm::StringRef name, int64_t otherwise);
  double attrFloat(llvm::StringRef name, double otherwise);
  std::string attrString(llvm::StringRef name, llvm::StringRef otherwise = "");
  llvm::SmallVector<int64_t> attrInts(llvm::StringRef name,
                                      llvm::ArrayRef<int64_t> otherwise = {});
  llvm::SmallVector<double> attrFloats(llvm::StringRef name);
  llvm::SmallVector<std::string> attrStrings(llvm::StringRef name);
  const GraphProto *attrGraph(llvm::StringRef name);
  /// An attribute that changes nothing here (as the format says) is read by
  /// this.
  void ignore(llvm::StringRef name) { (void)attribute(name); }

  /// An axis, from the end where negative; reported where it is none.
  FailureOr<int64_t> axis(int64_t axis, int64_t rank);
  FailureOr<llvm::SmallVector<int64_t>> axes(llvm::ArrayRef<int64_t> axes,
                                             int64_t rank);

  //===--- Outputs --------------------------------------------------------===//

  size_t numOutputs() const { return size_t(proto.output_size()); }
  /// Whether output `i` has a name.
  bool wants(size_t i) const {
    return i < numOutputs() && !proto.output(int(i)).empty();
  }
  /// Output `i`: of the carrier of `type`, within its range. Null `type`: that
  /// of the tensor.
  void give(size_t i, mlir::Value tensor, mlir::Type type = {});
  void give(size_t i, Known known, mlir::Type type);
  void give(size_t i, Value value);
  LogicalResult result(mlir::Value tensor, mlir::Type type = {}) {
    give(0, tensor, type);
    return success();
  }
  LogicalResult result(Known known, mlir::Type type) {
    give(0, std::move(known), type);
    return success();
  }

  /// Output 0 is `folded` where that is known for sure, else what `build`
  /// makes (with what is known under assumptions noted beside it).
  LogicalResult resultOr(std::optional<Known> folded, mlir::Type type,
                         llvm::function_ref<FailureOr<mlir::Value>()> build) {
    return giveOr(0, std::move(folded), type, build);
  }
  /// The same for output `i`.
  LogicalResult giveOr(size_t i, std::optional<Known> folded, mlir::Type type,
                       llvm::function_ref<FailureOr<mlir::Value>()> build);

  LogicalResult fail(const llvm::Twine &message, const llvm::Twine &hint = "");

  /// Attributes that nothing asked for.
  std::vector<std::string> unread() const;
  std::vector<Value> outputs;

private:
  LogicalResult need(size_t i);

  std::vector<Value *> inputs;
  llvm::StringSet<> asked;
};

/// Brings a carrier tensor into the range of its type, as the type's own
/// arithmetic would have: modulo 2^bits.
mlir::Value wrapTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor,
                   mlir::Type type);

/// Casts as ONNX does, from carrier to carrier: to bool is "not 0".
mlir::Value convert(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor,
                    mlir::Type from, mlir::Type to);

using Build = LogicalResult (*)(Node &);

/// Whether an op's inputs may be sequences and optionals.
bool takesSequences(llvm::StringRef op);

/// How many inputs an op must have, from the first on.
size_t requiredInputs(llvm::StringRef domain, llvm::StringRef op);

/// The builder of an op; null where there is none.
Build findBuilder(llvm::StringRef domain, llvm::StringRef op);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_NODE_H
