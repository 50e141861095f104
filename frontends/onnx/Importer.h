//===- Importer.h - Walks an ONNX graph, node by node -----------*- C++ -*-===//

#ifndef MAPSTO_FRONTENDS_ONNX_IMPORTER_H
#define MAPSTO_FRONTENDS_ONNX_IMPORTER_H

#include "frontends/onnx/Onnx.h"
#include "frontends/onnx/Value.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <deque>
#include <set>

namespace mapsto::onnx {

/// The names of one graph; those of the graphs around it are seen through.
struct Scope {
  Scope *parent = nullptr;
  llvm::StringMap<Value> values;
  /// Operator sets, by domain ("" is ONNX's own), and a function's attributes.
  const std::map<std::string, int64_t> *opsets = nullptr;
  const std::map<std::string, const AttributeProto *> *attributes = nullptr;

  Value *find(llvm::StringRef name) {
    for (Scope *scope = this; scope; scope = scope->parent)
      if (auto found = scope->values.find(name); found != scope->values.end())
        return &found->second;
    return nullptr;
  }
};

/// Symbols of sizes that an op says are equal to others.
using SizeEqualities = std::map<std::string, Dim>;

class Importer {
public:
  Importer(mlir::MLIRContext &context, ModelFile &file,
           const OnnxOptions &options, OnnxModel &result,
           std::vector<OnnxError> &errors, SizeEqualities &equalities);

  /// The whole model, as `func.func @main`. False where sizes turned out to be
  /// equal: it is to be imported anew then, with one symbol in the place of
  /// the other.
  bool run();

  /// Imports a graph within a graph here: `inputs` are its inputs in order.
  /// Failure where something in it failed, which is reported then.
  mlir::FailureOr<std::vector<Value>> inlineGraph(const GraphProto &graph,
                                                  llvm::ArrayRef<Value> inputs);

  /// The carrier tensor of a value, made now where it is not one yet; null for
  /// data that cannot be one (reported).
  mlir::Value materialise(Value &value);
  /// The known whole numbers of a value, where they are; they may assume
  /// inputs' values.
  const Known *knownOf(Value &value);
  /// The same, evaluated now where another op than shape arithmetic made it.
  std::optional<Known> numbersOf(Value &value);
  /// The elements of a tensor that depends on nothing but literals, the file's
  /// data and inputs' given values, which are `numbers.assumes`.
  struct Computed {
    llvm::SmallVector<double> floats; ///< where they are floats
    Known numbers;                    ///< else; its shape is of both
  };
  std::optional<Computed> compute(Value &value);
  /// Makes data of a tensor that is computed from the file's data alone, as
  /// exporters leave weights that they take apart.
  void makeData(Value &value);
  /// Fixes the inputs whose values `known` assumes.
  void rely(const Known &known);
  /// The elements of a value that are known when the model is compiled; null
  /// where they are not. An input's value is fixed by this.
  const TensorData *dataOf(Value &value);

  /// A tensor among the node's attributes.
  mlir::LogicalResult readData(const NodeProto &node, const TensorProto &tensor,
                               Value &value);

  /// Bytes that were made of the model's, kept as long as its weights.
  llvm::ArrayRef<uint8_t> keep(std::vector<uint8_t> bytes) {
    return file.keep(std::move(bytes));
  }

  /// Reports `message` at the node (and what to do about it).
  void report(const NodeProto &node, const llvm::Twine &message,
              const llvm::Twine &hint = "");
  /// What was reported so far, and which sizes turned out to be equal;
  /// `rollBack` takes back what was since.
  struct Mark {
    size_t errors;
    std::map<std::string, std::pair<int64_t, std::string>> unknown;
    SizeEqualities equalities;
    bool equated;

    bool operator==(const Mark &) const = default;
  };
  Mark mark() const { return {errors.size(), unknown, equalities, equated}; }
  void rollBack(const Mark &mark) {
    errors.resize(mark.errors);
    unknown = mark.unknown;
    equalities = mark.equalities;
    equated = mark.equated;
  }
  /// "node `/encoder/MatMul_3` (MatMul, opset 13)"
  std::string describe(const NodeProto &node);

  /// A symbol's size: the number it was fixed to, or the symbol. `name` may be
  /// an expression of names.
  Dim symbol(llvm::StringRef name);
  /// A size that no name is known of, from what it is the size of.
  Dim freshSymbol(llvm::StringRef hint);

  /// Says that an op needs two sizes to be equal. False where they are not, or
  /// are so only when the model is imported anew.
  bool equate(const Dim &a, const Dim &b);

  /// What the call of the function around has for an attribute; null where it
  /// is left out.
  const AttributeProto *attributeOfCall(llvm::StringRef name);
  int64_t opset(llvm::StringRef domain);
  Scope *scope = nullptr;
  mlir::OpBuilder b;
  const OnnxOptions &options;

private:
  class Computation;
  mlir::Value makeTensor(Value &value);
  mlir::Value weight(Value &value);
  void importInputs(const GraphProto &graph);
  void importInitializers(const GraphProto &graph);
  void importNodes(const google::protobuf::RepeatedPtrField<NodeProto> &nodes);
  void importNode(const NodeProto &node);
  bool importFunction(const NodeProto &node, llvm::ArrayRef<Value *> inputs);
  void importOutputs(const GraphProto &graph);
  Dims sizesOf(llvm::StringRef name, const TensorShapeProto &shape,
               bool isElement);
  std::optional<Value> declareTensor(llvm::StringRef name,
                                     const TypeProto::Tensor &type,
                                     bool isElement);
  std::optional<int64_t> lengthOf(llvm::StringRef name, OnnxForm form);
  std::optional<Value> declareMany(const ValueInfoProto &input, OnnxForm form);
  void declareInput(const ValueInfoProto &input);
  void removeFixedInputs();
  std::string weightName(llvm::StringRef name);
  void summariseUnknown();
  void checkGivenSizes();
  void fail(const llvm::Twine &message, const llvm::Twine &hint = "");

  ModelFile &file;
  OnnxModel &result;
  std::vector<OnnxError> &errors;
  SizeEqualities &equalities;
  bool equated = false;
  bool inheritsPoison = false; ///< the graph within, of what was reported
  std::map<std::string, int64_t> opsets;
  mlir::func::FuncOp main;
  std::vector<std::string> inputNames;    ///< of main's arguments
  std::map<std::string, Value> arguments; ///< by name
  std::set<std::string> sizeNames;        ///< all that --dim can fix
  llvm::StringSet<> fixed;                ///< of them, those of known values
  llvm::StringSet<> weightNames, symbols;
  /// Ops without a builder: how often, and where first.
  std::map<std::string, std::pair<int64_t, std::string>> unknown;
  std::deque<std::map<std::string, const AttributeProto *>> callAttributes;
  std::deque<std::map<std::string, int64_t>> functionOpsets;
  int calls = 0; ///< functions that are being inlined
  int64_t imported = 0;
};

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_IMPORTER_H
