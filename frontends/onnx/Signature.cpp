//===- Signature.cpp - What a model takes and gives
//------------------------===//
//
// Tensors are arguments and results of the module's function. A sequence is one
// for each tensor in it, an optional is what it holds: how many that are must
// be known.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Importer.h"
#include "frontends/onnx/SmallFloats.h"

#include "dialect/Builders.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mapsto::onnx {

/// More tensors than a sequence of a model's signature has.
static constexpr int64_t kMostElements = 4096;

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

void Importer::checkGivenSizes() {
  for (const auto &[name, size] : options.dims)
    if (!sizeNames.count(name))
      fail("the model has no symbolic size `" + Twine(name) + "`",
           sizeNames.empty() ? "all its sizes are numbers"
                             : "it has " + llvm::join(sizeNames, ", "));
}

static bool asData(const WeightTensor &tensor, int32_t type, TensorData &data) {
  data = {TensorProto::DataType(type), tensor.shape, tensor.bytes};
  return weightType(type) == tensor.dtype;
}

/// The sizes of an input. Those of a sequence's elements have names of their
/// own: a name in the file is no size that all of them have.
Dims Importer::sizesOf(StringRef name, const TensorShapeProto &shape,
                       bool isElement) {
  Dims dims;
  for (auto [axis, dim] : llvm::enumerate(shape.dim())) {
    if (dim.has_dim_value() && dim.dim_value() >= 0)
      dims.push_back(Dim(dim.dim_value()));
    else if (dim.has_dim_param() && !dim.dim_param().empty() && !isElement)
      dims.push_back(symbol(dim.dim_param()));
    else
      dims.push_back(freshSymbol((name + "_" + Twine(axis)).str()));
  }
  return dims;
}

/// An argument of the module's function; nothing where it cannot be one, which
/// is reported.
std::optional<Value> Importer::declareTensor(StringRef name,
                                             const TypeProto::Tensor &type,
                                             bool isElement) {
  Value value;
  value.name = name;
  value.type = typeOf(b.getContext(), type.elem_type());
  if (!value.type) {
    fail("input `" + name + "`: elements of " + nameOf(type.elem_type()) +
         " are not supported");
    return std::nullopt;
  }
  auto given = options.values.find(value.name);
  if (given != options.values.end()) {
    TensorData data;
    if (!asData(given->second, type.elem_type(), data)) {
      fail("the value for input `" + name + "` is not of " +
           nameOf(type.elem_type()));
      return std::nullopt;
    }
    value.given = data;
  }
  if (!type.has_shape() && !value.given) {
    fail("input `" + name + "` has no shape",
         "export the model with shapes, whose sizes may be symbols");
    return std::nullopt;
  }
  if (arguments.count(value.name)) {
    fail("the model has two inputs `" + name + "`",
         "the tensors of a sequence are called after it and their places");
    return std::nullopt;
  }
  Dims dims = type.has_shape()
                  ? sizesOf(name, type.shape(), isElement)
                  : Dims(value.given->shape.begin(), value.given->shape.end());
  BlockArgument argument = main.getBody().front().addArgument(
      mapsto::tensorOf(dims, storedAs(value.type)),
      NameLoc::get(b.getStringAttr(name)));
  inputNames.push_back(value.name);
  value.tensor = fromStored(b, argument.getLoc(), argument, value.type);
  return arguments[value.name] = value;
}

/// How many tensors a sequence or an optional has; nothing where that is not
/// known, which is reported.
std::optional<int64_t> Importer::lengthOf(StringRef name, OnnxForm form) {
  auto given = options.lengths.find(name.str());
  bool optional =
      form == OnnxForm::optional || form == OnnxForm::optionalSequence;
  if (given == options.lengths.end()) {
    fail("input `" + name + "` is " +
             (optional ? "an optional, and what it holds"
                       : "a sequence, and how many tensors it has") +
             " must be known when the model is compiled",
         "--length " + name + "=N" +
             (optional ? ", or =none where it holds nothing" : ""));
    return std::nullopt;
  }
  int64_t length = given->second;
  int64_t most = form == OnnxForm::optional ? 1 : kMostElements;
  if (length > most || (length == OnnxOptions::kNothing && !optional) ||
      (form == OnnxForm::optional && length == 0)) {
    fail("input `" + name + "` cannot have the length " +
             (length == OnnxOptions::kNothing ? "none" : Twine(length)),
         form == OnnxForm::optional ? "an optional tensor has 1 or none"
                                    : "at most " + Twine(kMostElements));
    return std::nullopt;
  }
  return length;
}

/// A sequence or an optional.
std::optional<Value> Importer::declareMany(const ValueInfoProto &input,
                                           OnnxForm form) {
  StringRef name = input.name();
  std::optional<int64_t> length = lengthOf(name, form);
  if (!length)
    return std::nullopt;
  Value value;
  if (*length == OnnxOptions::kNothing) {
    value.none = true;
    return value;
  }
  const TypeProto &type = input.type().has_optional_type()
                              ? input.type().optional_type().elem_type()
                              : input.type();
  if (form == OnnxForm::optional)
    return declareTensor(name, type.tensor_type(), /*isElement=*/false);
  const TypeProto::Tensor &element =
      type.sequence_type().elem_type().tensor_type();
  value.type = typeOf(b.getContext(), element.elem_type());
  if (!value.type) {
    fail("input `" + name + "`: elements of " + nameOf(element.elem_type()) +
         " are not supported");
    return std::nullopt;
  }
  std::vector<Value> list;
  for (int64_t i = 0; i < *length; ++i) {
    auto one = declareTensor(onnxElementName(name, size_t(i)), element,
                             /*isElement=*/true);
    if (!one)
      return std::nullopt;
    list.push_back(std::move(*one));
  }
  value.list = std::make_shared<const std::vector<Value>>(std::move(list));
  return value;
}

void Importer::declareInput(const ValueInfoProto &input) {
  OnnxForm form = formOf(input.type());
  std::optional<Value> value;
  if (form == OnnxForm::other)
    fail("input `" + Twine(input.name()) +
         "` is a map or a sequence of no tensors: only tensors, sequences of "
         "them and optionals of both are supported");
  else if (form == OnnxForm::tensor)
    value = declareTensor(input.name(), input.type().tensor_type(),
                          /*isElement=*/false);
  else
    value = declareMany(input, form);
  Value &entry = scope->values[input.name()];
  entry = value.value_or(Value());
  entry.name = input.name();
  entry.poisoned = !value;
}

void Importer::importInputs(const GraphProto &graph) {
  for (const ValueInfoProto &input : graph.input())
    if (!scope->values.count(input.name())) // not one with a default
      declareInput(input);
  for (const auto &[name, length] : options.lengths)
    if (llvm::none_of(graph.input(), [&, name = name](const auto &input) {
          return input.name() == name &&
                 formOf(input.type()) != OnnxForm::tensor;
        }))
      fail("the model has no sequence `" + Twine(name) + "` that --length " +
           "could be of");
}

/// Inputs whose value decided a shape have that value for good.
void Importer::removeFixedInputs() {
  for (size_t i = inputNames.size(); i-- > 0;) {
    if (!fixed.contains(inputNames[i]))
      continue;
    result.fixedInputs.push_back(inputNames[i]);
    const Value &value = arguments[inputNames[i]];
    BlockArgument argument = main.getBody().front().getArgument(unsigned(i));
    if (!argument.use_empty()) {
      Value constant;
      constant.type = value.type;
      constant.name = value.name;
      constant.data = value.given;
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&main.getBody().front());
      mlir::Value whole = weight(constant);
      if (!whole)
        return;
      argument.replaceAllUsesWith(whole);
    }
    main.getBody().front().eraseArgument(unsigned(i));
    inputNames.erase(inputNames.begin() + long(i));
  }
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

void Importer::importOutputs(const GraphProto &graph) {
  SmallVector<mlir::Value> outputs;
  SmallVector<DictionaryAttr> attributes;
  for (const ValueInfoProto &output : graph.output()) {
    Value *value = scope->find(output.name());
    if (!value || (!*value && !value->poisoned && !value->none)) {
      fail("nothing makes the model's output `" + Twine(output.name()) + "`");
      continue;
    }
    if (value->poisoned)
      continue;
    auto give = [&](Value &one, const std::string &name) {
      mlir::Value tensor = materialise(one);
      if (!tensor)
        return;
      outputs.push_back(toStored(b, main.getLoc(), tensor, one.type));
      attributes.push_back(b.getDictionaryAttr(
          b.getNamedAttr(kNameAttr, b.getStringAttr(name))));
    };
    if (value->none)
      continue;
    if (!value->list) {
      give(*value, output.name());
      continue;
    }
    for (auto [i, element] : llvm::enumerate(*value->list)) {
      Value one = element;
      give(one, onnxElementName(output.name(), i));
    }
  }
  if (!errors.empty())
    return;
  func::ReturnOp::create(b, main.getLoc(), outputs);
  main.setType(b.getFunctionType(main.getBody().getArgumentTypes(),
                                 TypeRange(ValueRange(outputs))));
  for (auto [i, name] : llvm::enumerate(inputNames))
    main.setArgAttr(unsigned(i), kNameAttr, b.getStringAttr(name));
  for (auto [i, attribute] : llvm::enumerate(attributes))
    main.setResultAttrs(unsigned(i), attribute);
}

} // namespace mapsto::onnx
