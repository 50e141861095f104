#include "frontends/onnx/Importer.h"

#include "dialect/Builders.h"
#include "dialect/InferTypes.h"
#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Node.h"
#include "frontends/onnx/SmallFloats.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mapsto::onnx {

/// Calls of functions within calls.
static constexpr int kMostCalls = 64;

Importer::Importer(MLIRContext &context, ModelFile &file,
                   const OnnxOptions &options, OnnxModel &result,
                   std::vector<OnnxError> &errors, SizeEqualities &equalities)
    : b(&context), options(options), file(file), result(result), errors(errors),
      equalities(equalities) {}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

void Importer::fail(const Twine &message, const Twine &hint) {
  errors.push_back({message.str(), hint.str()});
}

int64_t Importer::opset(StringRef domain) {
  if (domain == "ai.onnx")
    domain = "";
  for (Scope *s = scope; s; s = s->parent)
    if (s->opsets) {
      auto found = s->opsets->find(domain.str());
      return found == s->opsets->end() ? 1 : found->second;
    }
  return 1;
}

std::string Importer::describe(const NodeProto &node) {
  std::string name = node.name();
  if (name.empty() && node.output_size())
    name = node.output(0);
  std::string op = node.domain().empty() ? node.op_type()
                                         : node.domain() + "." + node.op_type();
  return "node `" + name + "` (" + op + ", opset " +
         std::to_string(opset(node.domain())) + ")";
}

void Importer::report(const NodeProto &node, const Twine &message,
                      const Twine &hint) {
  fail(describe(node) + ": " + message, hint);
}

void Importer::summariseUnknown() {
  for (auto &[op, places] : unknown)
    fail("op " + op + " is not supported: " + places.second +
             (places.first > 1 ? " and " + Twine(places.first - 1) + " more"
                               : Twine()),
         "`mapsto help onnx` lists the ops that are");
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

/// A name as symbols have them: letters, digits and `_`.
static std::string plainName(StringRef name) {
  std::string plain;
  for (char c : name)
    plain += llvm::isAlnum(c) ? c : '_';
  if (plain.empty() || llvm::isDigit(plain[0]))
    plain = "d" + plain;
  return plain;
}

Dim Importer::symbol(StringRef name) {
  auto number = [&](StringRef symbol) -> std::optional<Dim> {
    sizeNames.insert(symbol.str());
    auto given = options.dims.find(symbol.str());
    if (given != options.dims.end())
      return Dim(given->second);
    auto equal = equalities.find(symbol.str());
    return equal == equalities.end() ? std::nullopt
                                     : std::optional<Dim>(equal->second);
  };
  if (auto given = number(name))
    return *given;
  if (auto dim = Dim::parse(name); succeeded(dim))
    return dim->substitute(number);
  std::string plain = plainName(name);
  if (auto given = number(plain))
    return *given;
  return Dim::symbol(plain);
}

Dim Importer::freshSymbol(StringRef hint) {
  std::string plain = plainName(hint), name = plain;
  for (int i = 1; !symbols.insert(name).second; ++i)
    name = plain + "_" + std::to_string(i);
  return symbol(name);
}

bool Importer::equate(const Dim &a, const Dim &b) {
  if (a == b)
    return true;
  auto put = [&](const Dim &symbol, const Dim &value) {
    std::optional<std::string> name = symbol.symbolName();
    if (!name || llvm::is_contained(value.symbols(), *name))
      return false;
    auto replace = [&](StringRef other) {
      return other == *name ? std::optional<Dim>(value) : std::nullopt;
    };
    for (auto &[other, dim] : equalities)
      dim = dim.substitute(replace);
    return equalities.emplace(*name, value).second;
  };
  // The other way round where the second is the plainer of the two.
  equated |= put(b, a) || put(a, b);
  return false;
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

void Importer::importInitializers(const GraphProto &graph) {
  for (const TensorProto &tensor : graph.initializer()) {
    Value value;
    value.name = tensor.name();
    value.type = typeOf(b.getContext(), tensor.data_type());
    TensorData data;
    std::string error;
    if (file.read(tensor, data, error)) {
      value.data = std::move(data);
    } else {
      fail("tensor `" + Twine(tensor.name()) + "`: " + error);
      value.poisoned = true;
    }
    scope->values[tensor.name()] = std::move(value);
  }
  if (graph.sparse_initializer_size())
    fail("sparse tensors are not supported",
         "store `" + graph.sparse_initializer(0).values().name() + "` dense");
}

LogicalResult Importer::readData(const NodeProto &node,
                                 const TensorProto &tensor, Value &value) {
  TensorData data;
  std::string error;
  if (!file.read(tensor, data, error)) {
    report(node, "its tensor: " + Twine(error));
    return failure();
  }
  value.type = typeOf(b.getContext(), data.type);
  value.data = std::move(data);
  value.name = node.output_size() ? node.output(0) : "";
  return success();
}

FailureOr<std::vector<Value>> Importer::inlineGraph(const GraphProto &graph,
                                                    ArrayRef<Value> inputs) {
  Scope inner;
  inner.parent = scope;
  scope = &inner;
  size_t before = errors.size();
  importInitializers(graph);
  for (auto [i, input] : llvm::enumerate(graph.input()))
    if (size_t(i) < inputs.size())
      inner.values[input.name()] = inputs[size_t(i)];
  importNodes(graph.node());
  std::vector<Value> outputs;
  bool good = errors.size() == before;
  for (const ValueInfoProto &output : graph.output()) {
    Value *value = inner.find(output.name());
    good &= value && !value->poisoned;
    inheritsPoison |= value && value->poisoned;
    if (!value)
      fail("graph `" + Twine(graph.name()) + "`: nothing makes its output `" +
           output.name() + "`");
    else
      outputs.push_back(*value);
  }
  scope = inner.parent;
  if (!good)
    return failure();
  return outputs;
}

void Importer::importNodes(
    const google::protobuf::RepeatedPtrField<NodeProto> &nodes) {
  for (const NodeProto &node : nodes)
    importNode(node);
}

/// Floats of 8 bits and less are stored, and computed with as others.
static bool takesSmallFloats(StringRef op) {
  static constexpr const char *kOps[] = {
      "Cast",     "CastLike",  "Constant", "DequantizeLinear", "Flatten",
      "Identity", "Reshape",   "Shape",    "QuantizeLinear",   "Size",
      "Squeeze",  "Transpose", "Unsqueeze"};
  return llvm::is_contained(kOps, op);
}

void Importer::importNode(const NodeProto &node) {
  // Functions may call each other so often that the whole never ends.
  if (++imported > options.mostNodes) {
    if (imported == options.mostNodes + 1)
      fail("the model's functions and loops make more than " +
           Twine(options.mostNodes) + " nodes");
    return;
  }
  std::vector<Value *> inputs;
  static Value none;
  bool poisoned = false;
  for (const std::string &name : node.input()) {
    Value *value = name.empty() ? &none : scope->find(name);
    if (!value) {
      report(node, "nothing before it makes its input `" + Twine(name) + "`",
             "nodes must be in the order in which they run");
      poisoned = true;
      value = &none;
    }
    poisoned |= value->poisoned;
    inputs.push_back(value);
  }
  StringRef domain = node.domain();
  if (domain == "ai.onnx")
    domain = "";
  auto poison = [&] {
    for (const std::string &name : node.output())
      scope->values[name].poisoned = true;
  };
  Build build = findBuilder(domain, node.op_type());
  if (!build) {
    if (importFunction(node, inputs))
      return;
    std::string op = (domain.empty() ? "" : domain.str() + ".") +
                     node.op_type() + " (opset " +
                     std::to_string(opset(domain)) + ")";
    auto [place, isNew] = unknown.try_emplace(op, 0, describe(node));
    ++place->second.first;
    return poison();
  }
  if (poisoned)
    return poison();
  if (!takesSequences(node.op_type()))
    for (Value *input : inputs)
      if (input->list || input->none) {
        report(node, "its input `" + Twine(input->name) + "` is a " +
                         (input->none ? "missing optional" : "sequence") +
                         ", and it takes tensors");
        return poison();
      }
  for (Value *input : inputs)
    if (isSmallFloat(input->type) && !takesSmallFloats(node.op_type())) {
      report(node,
             "it does not take elements of " + nameOf(dataTypeOf(input->type)),
             "cast them to float before it");
      return poison();
    }
  for (size_t i = 0, n = requiredInputs(domain, node.op_type()); i < n; ++i)
    if (i >= inputs.size() ||
        !(*inputs[i] || inputs[i]->list || inputs[i]->none)) {
      report(node, "its input " + Twine(i) + " is left out, which it needs");
      return poison();
    }
  Node context(*this, node, std::move(inputs));
  Mark before = mark();
  inheritsPoison = false;
  // What the dialect says of operands that do not fit is of this node.
  StandInTypes standIns;
  std::string unfit;
  ScopedDiagnosticHandler handler(b.getContext(), [&](Diagnostic &diagnostic) {
    if (unfit.empty())
      unfit = diagnostic.str();
    return success();
  });
  LogicalResult built = build(context);
  if (!unfit.empty()) {
    if (mark() == before)
      report(node, unfit);
    return poison();
  }
  if (failed(built)) {
    if (mark() == before && !inheritsPoison)
      report(node, "it is not supported as it stands here");
    return poison();
  }
  for (const std::string &name : context.unread())
    report(node, "attribute `" + Twine(name) + "` is not supported");
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty())
      continue;
    Value &value = scope->values[node.output(i)];
    bool given =
        size_t(i) < context.outputs.size() &&
        (context.outputs[size_t(i)] || context.outputs[size_t(i)].none);
    given = given && (takesSmallFloats(node.op_type()) ||
                      !isSmallFloat(context.outputs[size_t(i)].type));
    if (given)
      value = std::move(context.outputs[size_t(i)]);
    else
      report(node,
             "its output `" + Twine(node.output(i)) + "` is not supported");
    value.name = node.output(i);
    value.poisoned = !given;
  }
}

const AttributeProto *Importer::attributeOfCall(StringRef name) {
  for (Scope *s = scope; s; s = s->parent)
    if (s->attributes) {
      auto found = s->attributes->find(name.str());
      return found == s->attributes->end() ? nullptr : found->second;
    }
  return nullptr;
}

/// A call of one of the model's own functions, inlined.
bool Importer::importFunction(const NodeProto &node, ArrayRef<Value *> inputs) {
  const FunctionProto *function = nullptr;
  for (const FunctionProto &f : file.proto().functions())
    if (f.name() == node.op_type() && f.domain() == node.domain() &&
        f.overload() == node.overload())
      function = &f;
  if (!function)
    return false;
  auto poison = [&] {
    for (const std::string &name : node.output())
      scope->values[name].poisoned = true;
    return true;
  };
  if (calls == kMostCalls) {
    report(node, "functions call each other more than " + Twine(kMostCalls) +
                     " deep");
    return poison();
  }
  std::map<std::string, const AttributeProto *> attributes;
  for (const AttributeProto &attribute : function->attribute_proto())
    attributes[attribute.name()] = &attribute;
  for (const AttributeProto &attribute : node.attribute()) {
    const AttributeProto *value = &attribute;
    if (!attribute.ref_attr_name().empty()) {
      value = attributeOfCall(attribute.ref_attr_name());
      if (!value)
        continue; // left out by the caller
    }
    attributes[attribute.name()] = value;
  }
  std::map<std::string, int64_t> versions;
  for (const OperatorSetIdProto &set : function->opset_import())
    versions[set.domain() == "ai.onnx" ? "" : set.domain()] = set.version();
  Scope inner; // sees nothing of the caller's
  inner.opsets = &versions;
  inner.attributes = &attributes;
  for (int i = 0; i < function->input_size(); ++i)
    inner.values[function->input(i)] =
        size_t(i) < inputs.size() ? *inputs[size_t(i)] : Value{};
  Scope *outer = scope;
  scope = &inner;
  ++calls;
  importNodes(function->node());
  --calls;
  scope = outer;
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty())
      continue;
    Value *value =
        i < function->output_size() ? inner.find(function->output(i)) : nullptr;
    Value &output = scope->values[node.output(i)];
    output = value ? *value : Value{};
    output.poisoned |= !value;
    output.name = node.output(i);
    if (!value)
      report(node, "its function has no output number " + Twine(i));
  }
  return true;
}

bool Importer::run() {
  const ModelProto &model = file.proto();
  const GraphProto &graph = model.graph();
  for (const OperatorSetIdProto &set : model.opset_import())
    opsets[set.domain() == "ai.onnx" ? "" : set.domain()] = set.version();
  Location loc = NameLoc::get(b.getStringAttr(
      graph.name().empty() ? StringRef("model") : StringRef(graph.name())));
  result.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(result.module->getBody());
  main = func::FuncOp::create(b, loc, kEntryName, b.getFunctionType({}, {}));
  b.setInsertionPointToStart(main.addEntryBlock());

  Scope top;
  top.opsets = &opsets;
  scope = &top;
  importInitializers(graph);
  importInputs(graph);
  checkGivenSizes();
  importNodes(graph.node());
  summariseUnknown();
  if (errors.empty())
    removeFixedInputs();
  importOutputs(graph);
  scope = nullptr;
  return !equated;
}

} // namespace mapsto::onnx
