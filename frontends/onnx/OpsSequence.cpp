//===- OpsSequence.cpp - Sequences and optionals --------------------------===//
//
// Sequences are lists at import: their lengths and the places in them are known
// then, and none is left in the graph.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

LogicalResult giveList(Node &n, size_t output, std::vector<Value> list,
                       Type type) {
  Value value;
  value.type = list.empty() ? type : list.front().type;
  value.list = std::make_shared<const std::vector<Value>>(std::move(list));
  n.give(output, std::move(value));
  return success();
}

/// The list that input 0 is.
FailureOr<std::vector<Value>> listOf(Node &n) {
  if (n.has(0) && n.value(0).list)
    return *n.value(0).list;
  return n.fail("its input 0 is not a sequence");
}

/// The place that input `i` names in a list of `size`; without it, the last
/// there can be.
FailureOr<int64_t> placeOf(Node &n, size_t i, int64_t size, int64_t most) {
  if (!n.has(i))
    return most;
  FailureOr<SmallVector<int64_t>> given = n.ints(i);
  if (failed(given))
    return failure();
  if (given->size() != 1)
    return n.fail("its place is not one number");
  int64_t at = given->front() < 0 ? given->front() + size : given->front();
  if (at < 0 || at > most)
    return n.fail("place " + Twine(given->front()) +
                  " is outside a sequence "
                  "of " +
                  Twine(size));
  return at;
}

LogicalResult sequenceConstruct(Node &n) {
  std::vector<Value> list;
  for (size_t i = 0; i < n.numInputs(); ++i)
    list.push_back(n.value(i));
  return giveList(n, 0, std::move(list), {});
}

LogicalResult sequenceEmpty(Node &n) {
  Type type =
      typeOf(n.b.getContext(), int32_t(n.attr("dtype", TensorProto::FLOAT)));
  if (!type)
    return n.fail("sequences of such elements are not supported");
  return giveList(n, 0, {}, type);
}

LogicalResult sequenceAt(Node &n) {
  auto list = listOf(n);
  if (failed(list))
    return failure();
  int64_t size = int64_t(list->size());
  FailureOr<int64_t> at = placeOf(n, 1, size, size - 1);
  if (failed(at))
    return failure();
  n.give(0, (*list)[size_t(*at)]);
  return success();
}

LogicalResult sequenceInsert(Node &n) {
  auto list = listOf(n);
  if (failed(list))
    return failure();
  int64_t size = int64_t(list->size());
  FailureOr<int64_t> at = placeOf(n, 2, size, size);
  if (failed(at))
    return failure();
  list->insert(list->begin() + *at, n.value(1));
  return giveList(n, 0, std::move(*list), {});
}

LogicalResult sequenceErase(Node &n) {
  auto list = listOf(n);
  if (failed(list))
    return failure();
  int64_t size = int64_t(list->size());
  FailureOr<int64_t> at = placeOf(n, 1, size, size - 1);
  if (failed(at))
    return failure();
  if (list->empty())
    return n.fail("its sequence is empty");
  list->erase(list->begin() + *at);
  return giveList(n, 0, std::move(*list), n.type(0));
}

LogicalResult sequenceLength(Node &n) {
  auto list = listOf(n);
  if (failed(list))
    return failure();
  return n.result(Known::scalar(Dim(int64_t(list->size()))), n.b.getI64Type());
}

/// Parts of the sizes given; of one size without a list, all but the last.
LogicalResult splitToSequence(Node &n) {
  Dims dims = n.dims(0);
  FailureOr<int64_t> axis = n.axis(n.attr("axis", 0), n.rank(0));
  if (failed(axis))
    return failure();
  bool keepDims = n.attr("keepdims", 1) != 0 || n.has(1);
  SmallVector<Dim> sizes;
  Dim whole = dims[size_t(*axis)];
  if (n.has(1) && n.dims(1).size() == 1) {
    FailureOr<SmallVector<Dim>> given = n.sizes(1);
    if (failed(given))
      return failure();
    sizes = *given;
    Dim sum = 0;
    for (const Dim &size : sizes)
      sum += size;
    if (!n.equal({sum}, {whole}))
      return n.fail("parts of " + sum.str() + " do not make up " + whole.str());
  } else {
    int64_t part = 1;
    if (n.has(1)) {
      FailureOr<SmallVector<int64_t>> given = n.ints(1);
      if (failed(given))
        return failure();
      part = given->size() == 1 ? given->front() : 0;
    }
    std::optional<int64_t> all = whole.constant();
    if (!all || part < 1)
      return n.fail("it splits " + whole.str() + " into parts of " +
                        Twine(part) + ": both must be numbers above 0",
                    "fix symbols with --dim NAME=SIZE");
    constexpr int64_t kMostParts = 4096;
    if (*all / part >= kMostParts)
      return n.fail("it makes more than " + Twine(kMostParts) + " parts of " +
                    whole.str());
    for (int64_t left = *all; left > 0; left -= std::min(part, left))
      sizes.push_back(Dim(std::min(part, left)));
  }
  mlir::Value x = n.in(0);
  if (!x)
    return failure();
  std::vector<Value> list;
  Dim start = 0;
  for (const Dim &size : sizes) {
    Value part;
    part.type = n.type(0);
    part.tensor = slice(n.b, n.loc, x, *axis, start, size);
    if (!keepDims) {
      Dims rest = dims;
      rest.erase(rest.begin() + *axis);
      part.tensor = reshape(n.b, n.loc, part.tensor, rest);
    }
    start += size;
    list.push_back(std::move(part));
  }
  return giveList(n, 0, std::move(list), n.type(0));
}

LogicalResult concatFromSequence(Node &n) {
  auto list = listOf(n);
  if (failed(list))
    return failure();
  if (list->empty())
    return n.fail("an empty sequence has no shape to concatenate");
  bool newAxis = n.attr("new_axis", 0) != 0;
  SmallVector<mlir::Value> parts;
  int64_t axis = 0;
  for (Value &value : *list) {
    mlir::Value part = n.importer.materialise(value);
    if (!part)
      return failure();
    Dims dims = dimsOf(part);
    FailureOr<int64_t> at =
        n.axis(n.attr("axis", 0), int64_t(dims.size()) + newAxis);
    if (failed(at))
      return failure();
    axis = *at;
    if (newAxis) {
      dims.insert(dims.begin() + axis, Dim(1));
      part = reshape(n.b, n.loc, part, dims);
    }
    Dims other = parts.empty() ? dims : dimsOf(parts[0]);
    Dims mine = dims;
    if (other.size() == mine.size())
      other[size_t(axis)] = mine[size_t(axis)];
    if (!n.equal(other, mine))
      return n.fail("its sequence has tensors of " + str(dimsOf(parts[0])) +
                    " and of " + str(dims));
    parts.push_back(part);
  }
  return n.result(parts.size() == 1
                      ? parts[0]
                      : mlir::Value(ConcatOp::create(n.b, n.loc, parts, axis)),
                  n.type(0));
}

/// The body, for each place of the sequences; what is a tensor is the same at
/// each.
LogicalResult sequenceMap(Node &n) {
  const GraphProto *body = n.attrGraph("body");
  auto first = listOf(n);
  if (!body || failed(first))
    return body ? failure() : n.fail("it has no body");
  if (n.numOutputs() > size_t(body->output_size()))
    return n.fail("its body has fewer outputs than it");
  std::vector<std::vector<Value>> lists(n.numOutputs());
  for (size_t at = 0; at < first->size(); ++at) {
    std::vector<Value> inputs;
    for (size_t i = 0; i < n.numInputs(); ++i) {
      if (n.value(i).list && n.value(i).list->size() != first->size())
        return n.fail("its sequences are of different lengths");
      inputs.push_back(n.value(i).list ? (*n.value(i).list)[at] : n.value(i));
    }
    auto outputs = n.importer.inlineGraph(*body, inputs);
    if (failed(outputs))
      return failure();
    for (size_t i = 0; i < lists.size(); ++i)
      lists[i].push_back((*outputs)[i]);
  }
  for (size_t i = 0; i < lists.size(); ++i)
    if (n.wants(i))
      (void)giveList(n, i, std::move(lists[i]), n.type(0));
  return success();
}

//===----------------------------------------------------------------------===//
// Optionals: what they hold, or nothing
//===----------------------------------------------------------------------===//

LogicalResult optional(Node &n) {
  n.ignore("type"); // of what is not there
  Value value;
  value.none = true;
  n.give(0, n.has(0) ? n.value(0) : value);
  return success();
}

LogicalResult optionalHasElement(Node &n) {
  return n.result(Known::scalar(Dim(n.has(0) ? 1 : 0)), n.b.getI1Type());
}

LogicalResult optionalGetElement(Node &n) {
  if (!n.has(0))
    return n.fail("its optional holds nothing");
  n.give(0, n.value(0));
  return success();
}

} // namespace

bool takesSequences(StringRef op) {
  return op.starts_with("Sequence") || op.starts_with("Optional") ||
         op == "ConcatFromSequence" || op == "Identity" || op == "Loop";
}

void addSequenceOps(OpTable &table) {
  table["ConcatFromSequence"] = concatFromSequence;
  table["Optional"] = optional;
  table["OptionalGetElement"] = optionalGetElement;
  table["OptionalHasElement"] = optionalHasElement;
  table["SequenceAt"] = sequenceAt;
  table["SequenceConstruct"] = sequenceConstruct;
  table["SequenceEmpty"] = sequenceEmpty;
  table["SequenceErase"] = sequenceErase;
  table["SequenceInsert"] = sequenceInsert;
  table["SequenceLength"] = sequenceLength;
  table["SequenceMap"] = sequenceMap;
  table["SplitToSequence"] = splitToSequence;
}

} // namespace mapsto::onnx
