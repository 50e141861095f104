#include "frontends/onnx/Node.h"
#include "dialect/interpreter/Tensor.h"

#include "runtime/dtype.h"

using namespace mlir;

namespace mapsto::onnx {

Node::Node(Importer &importer, const NodeProto &proto,
           std::vector<Value *> inputs)
    : importer(importer), proto(proto), b(importer.b),
      loc(NameLoc::get(importer.b.getStringAttr(
          !proto.name().empty() ? StringRef(proto.name())
          : proto.output_size() ? StringRef(proto.output(0))
                                : StringRef(proto.op_type())))),
      inputs(std::move(inputs)) {}

int64_t Node::opset() const { return importer.opset(proto.domain()); }

LogicalResult Node::fail(const Twine &message, const Twine &hint) {
  importer.report(proto, message, hint);
  return failure();
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

Type Node::type(size_t i) const {
  return i < inputs.size() ? inputs[i]->type : Type();
}

/// Whether input `i` is there; reported otherwise.
LogicalResult Node::need(size_t i) {
  return has(i) ? success() : fail("its input " + Twine(i) + " is left out");
}

mlir::Value Node::in(size_t i) {
  if (succeeded(need(i)))
    if (mlir::Value tensor = importer.materialise(*inputs[i]))
      return tensor;
  return scalar(b, loc, 0, b.getF32Type()); // why is reported
}

Dims Node::dims(size_t i) {
  if (!has(i))
    return {};
  const Value &value = *inputs[i];
  if (value.tensor)
    return dimsOf(value.tensor);
  ArrayRef<int64_t> shape = value.data ? ArrayRef<int64_t>(value.data->shape)
                                       : ArrayRef<int64_t>(value.known->shape);
  return Dims(shape.begin(), shape.end());
}

FailureOr<SmallVector<Dim>> Node::sizes(size_t i) {
  if (failed(need(i)))
    return failure();
  if (std::optional<Known> numbers = importer.numbersOf(*inputs[i])) {
    importer.rely(*numbers);
    return SmallVector<Dim>(numbers->elements);
  }
  return fail("its input " + Twine(i) + ", `" + proto.input(int(i)) +
                  "`, must be known when the model is compiled",
              "it decides a shape; if it is an input of the model, give its "
              "value: --set NAME=FILE");
}

FailureOr<SmallVector<int64_t>> Node::ints(size_t i) {
  FailureOr<SmallVector<Dim>> elements = sizes(i);
  if (failed(elements))
    return failure();
  SmallVector<int64_t> numbers;
  for (const Dim &element : *elements) {
    std::optional<int64_t> number = element.constant();
    if (!number)
      return fail("its input " + Twine(i) + ", `" + proto.input(int(i)) +
                      "`, is " + element.str() + " and must be a number",
                  "fix the symbols with --dim NAME=SIZE");
    numbers.push_back(*number);
  }
  return numbers;
}

template <typename T>
static SmallVector<double> readAs(const TensorData &data) {
  SmallVector<double> numbers(size_t(data.numElements()));
  for (size_t i = 0; i < numbers.size(); ++i) {
    T element;
    memcpy(&element, data.bytes.data() + i * sizeof(T), sizeof(T));
    numbers[i] = double(element);
  }
  return numbers;
}

FailureOr<SmallVector<double>> Node::floats(size_t i) {
  if (failed(need(i)))
    return failure();
  if (const Known *numbers = known(i)) {
    importer.rely(*numbers);
    SmallVector<double> result;
    for (const Dim &element : numbers->elements) {
      if (!element.isConstant())
        return fail("its input " + Twine(i) + " must be a number");
      result.push_back(double(*element.constant()));
    }
    return result;
  }
  const TensorData *data = importer.dataOf(*inputs[i]);
  if (!data)
    if (auto computed = importer.compute(*inputs[i])) {
      importer.rely(computed->numbers);
      return std::move(computed->floats);
    }
  if (!data)
    return fail("its input " + Twine(i) + ", `" + proto.input(int(i)) +
                    "`, must be known when the model is compiled",
                "if it is an input of the model, give its value: "
                "--set NAME=FILE");
  switch (data->type) {
  case TensorProto::FLOAT:
    return readAs<float>(*data);
  case TensorProto::DOUBLE:
    return readAs<double>(*data);
  case TensorProto::FLOAT16:
  case TensorProto::BFLOAT16: {
    SmallVector<double> numbers;
    for (double bits : readAs<uint16_t>(*data))
      numbers.push_back(data->type == TensorProto::FLOAT16
                            ? runtime::halfToFloat(uint16_t(bits))
                            : runtime::bf16ToFloat(uint16_t(bits)));
    return numbers;
  }
  default:
    return fail("its input " + Twine(i) + " has too many elements to be read");
  }
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

const AttributeProto *Node::attribute(StringRef name) {
  asked.insert(name);
  for (const AttributeProto &attribute : proto.attribute()) {
    if (attribute.name() != name)
      continue;
    if (attribute.ref_attr_name().empty())
      return &attribute;
    return importer.attributeOfCall(attribute.ref_attr_name());
  }
  return nullptr;
}

int64_t Node::attr(StringRef name, int64_t otherwise) {
  const AttributeProto *a = attribute(name);
  return a ? a->i() : otherwise;
}

double Node::attrFloat(StringRef name, double otherwise) {
  const AttributeProto *a = attribute(name);
  return a ? double(a->f()) : otherwise;
}

std::string Node::attrString(StringRef name, StringRef otherwise) {
  const AttributeProto *a = attribute(name);
  return a ? a->s() : otherwise.str();
}

SmallVector<int64_t> Node::attrInts(StringRef name,
                                    ArrayRef<int64_t> otherwise) {
  if (const AttributeProto *a = attribute(name))
    return {a->ints().begin(), a->ints().end()};
  return {otherwise.begin(), otherwise.end()};
}

SmallVector<double> Node::attrFloats(StringRef name) {
  if (const AttributeProto *a = attribute(name))
    return {a->floats().begin(), a->floats().end()};
  return {};
}

SmallVector<std::string> Node::attrStrings(StringRef name) {
  if (const AttributeProto *a = attribute(name))
    return {a->strings().begin(), a->strings().end()};
  return {};
}

const GraphProto *Node::attrGraph(StringRef name) {
  const AttributeProto *a = attribute(name);
  return a && a->has_g() ? &a->g() : nullptr;
}

std::vector<std::string> Node::unread() const {
  std::vector<std::string> names;
  for (const AttributeProto &attribute : proto.attribute())
    if (!asked.contains(attribute.name()))
      names.push_back(attribute.name());
  return names;
}

FailureOr<int64_t> Node::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return fail("axis " + Twine(axis) + " is outside a tensor of rank " +
                Twine(rank));
  return axis < 0 ? axis + rank : axis;
}

FailureOr<SmallVector<int64_t>> Node::axes(ArrayRef<int64_t> axes,
                                           int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t given : axes) {
    FailureOr<int64_t> one = axis(given, rank);
    if (failed(one))
      return failure();
    if (llvm::is_contained(result, *one))
      return fail("axis " + Twine(given) + " is given twice");
    result.push_back(*one);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

void Node::give(size_t i, Value value) {
  if (outputs.size() <= i)
    outputs.resize(i + 1);
  outputs[i] = std::move(value);
}

void Node::give(size_t i, mlir::Value tensor, Type type) {
  Value value;
  value.type = type ? type : elementTypeOf(tensor);
  value.tensor = wrapTo(b, loc, tensor, value.type);
  give(i, std::move(value));
}

/// Numbers as elements of `type` would have them; sizes are within it.
static Known wrapped(Known known, Type type) {
  if (isa<FloatType>(type))
    return known;
  for (Dim &element : known.elements)
    if (std::optional<int64_t> number = element.constant())
      element = Dim(mapsto::wrapTo(type, *number));
  return known;
}

void Node::give(size_t i, Known known, Type type) {
  Value value;
  value.type = type;
  value.known = wrapped(std::move(known), type);
  give(i, std::move(value));
}

LogicalResult Node::giveOr(size_t i, std::optional<Known> folded, Type type,
                           llvm::function_ref<FailureOr<mlir::Value>()> build) {
  if (folded && folded->assumes.empty()) {
    give(i, std::move(*folded), type);
    return success();
  }
  FailureOr<mlir::Value> tensor = build();
  if (failed(tensor))
    return failure();
  give(i, *tensor, type);
  if (folded)
    outputs[i].known = wrapped(std::move(*folded), type);
  return success();
}

} // namespace mapsto::onnx
