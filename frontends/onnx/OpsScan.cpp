//===- OpsScan.cpp - Scan -------------------------------------------------===//

#include "frontends/onnx/Loops.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// x with axis `from` moved to `to`.
mlir::Value moveAxis(Node &n, mlir::Value x, int64_t from, int64_t to) {
  SmallVector<int64_t> permutation;
  for (int64_t i = 0, rank = int64_t(dimsOf(x).size()); i < rank; ++i)
    if (i != from)
      permutation.push_back(i);
  permutation.insert(permutation.begin() + to, from);
  return transpose(n.b, n.loc, x, permutation);
}

mlir::Value flip(Node &n, mlir::Value x, int64_t axis) {
  return FlipOp::create(n.b, n.loc, x, ArrayRef<int64_t>{axis});
}

/// One Scan, whose inputs have no axis of batches.
class ScanImport {
public:
  ScanImport(Node &n, const GraphProto &body, size_t states)
      : n(n), body(body), states(states) {}

  struct Sequence {
    mlir::Value tensor;
    Type type;
    int64_t axis;
    bool reverse;
  };
  /// From initial states and sequences to final states and stacked outputs,
  /// which have axes and directions of their own.
  FailureOr<std::vector<Value>> run(ArrayRef<Value> inits,
                                    ArrayRef<Sequence> sequences,
                                    ArrayRef<int64_t> outputAxes,
                                    ArrayRef<int64_t> outputDirections) {
    LoopBody::Frame frame;
    SmallVector<Type> stateTypes, stepTypes;
    std::vector<Value> inputs;
    for (Value init : inits) {
      mlir::Value tensor = n.importer.materialise(init);
      if (!tensor)
        return failure();
      frame.inits.push_back(tensor);
      stateTypes.push_back(tensor.getType());
    }
    for (const Sequence &sequence : sequences) {
      Dims dims = dimsOf(sequence.tensor);
      Dim steps = dims[size_t(sequence.axis)];
      if (stepTypes.empty())
        frame.count = steps;
      else if (!n.equal(frame.count, steps))
        return n.fail("its sequences have " + frame.count.str() + " and " +
                      steps.str() + " steps");
      dims.erase(dims.begin() + sequence.axis);
      stepTypes.push_back(tensorOf(dims, elementTypeOf(sequence.tensor)));
    }
    LoopBody loop(n, stateTypes, stepTypes);
    for (size_t i = 0; i < states; ++i)
      inputs.push_back(valueOf(loop.state(i), inits[i].type));
    for (auto [i, sequence] : llvm::enumerate(sequences))
      inputs.push_back(valueOf(loop.step(i), sequence.type));
    auto outputs = loop.import(body, inputs);
    if (failed(outputs))
      return failure();
    bool good = true;
    loop.build([&] {
      for (Value &output : *outputs) {
        frame.yields.push_back(n.importer.materialise(output));
        good &= bool(frame.yields.back());
      }
    });
    if (!good)
      return failure();
    for (size_t i = 0; i < states; ++i)
      if (!n.equal(dimsOf(stateTypes[i]), dimsOf(frame.yields[i])) ||
          frame.yields[i].getType() != stateTypes[i])
        return n.fail("its state `" + body.input(int(i)).name() +
                      "` starts as " + str(dimsOf(frame.inits[i])) +
                      " and becomes " + str(dimsOf(frame.yields[i])));

    // Time is the axis that all agree on, else brought to the front; steps run
    // backwards if all sequences do.
    SmallVector<int64_t> to;
    for (size_t i = states; i < frame.yields.size(); ++i) {
      int64_t rank = int64_t(dimsOf(frame.yields[i]).size()) + 1;
      FailureOr<int64_t> axis = n.axis(outputAxes[i - states], rank);
      if (failed(axis))
        return failure();
      to.push_back(*axis);
    }
    frame.axis = sequences[0].axis;
    for (const Sequence &sequence : sequences)
      if (sequence.axis != sequences[0].axis)
        frame.axis = 0;
    for (int64_t axis : to)
      if (axis != sequences[0].axis)
        frame.axis = 0;
    frame.reverse = llvm::all_of(
        sequences, [](const Sequence &sequence) { return sequence.reverse; });
    for (const Sequence &sequence : sequences) {
      mlir::Value all = moveAxis(n, sequence.tensor, sequence.axis, frame.axis);
      frame.sequences.push_back(
          sequence.reverse == frame.reverse ? all : flip(n, all, frame.axis));
    }
    SmallVector<mlir::Value> results = loop.finish(frame);
    std::vector<Value> values;
    for (auto [i, result] : llvm::enumerate(results)) {
      mlir::Value all = result;
      if (i >= states) {
        // Where steps run backwards, an output stays at its step's place.
        bool prepended = outputDirections[i - states] != 0;
        if (prepended != frame.reverse)
          all = flip(n, all, frame.axis);
        all = moveAxis(n, all, frame.axis, to[i - states]);
      }
      values.push_back(valueOf(all, (*outputs)[i].type));
    }
    return values;
  }

  static Value valueOf(mlir::Value tensor, Type type) {
    Value value;
    value.tensor = tensor;
    value.type = type;
    return value;
  }

private:
  Node &n;
  const GraphProto &body;
  size_t states;
};

/// Until opset 8, states and sequences have an axis of batches before the axis
/// of time: one scan an entry.
LogicalResult scanOfBatches(Node &n, const GraphProto &body, size_t states,
                            ArrayRef<int64_t> directions) {
  size_t count = n.numInputs() - 1;
  if (n.has(0))
    return n.fail("`sequence_lens` is not supported before opset 9",
                  "convert the model to opset 9 or newer");
  std::optional<int64_t> batch = n.dims(1)[0].constant();
  if (!batch || *batch < 1)
    return n.fail("its batch is " + n.dims(1)[0].str() +
                      " and must be a number before opset 9",
                  "fix it with --dim NAME=SIZE");
  SmallVector<SmallVector<mlir::Value>> parts(n.numOutputs());
  SmallVector<Type> types(n.numOutputs());
  SmallVector<int64_t> zeros(n.numOutputs(), 0);
  for (int64_t entry = 0; entry < *batch; ++entry) {
    std::vector<Value> inits;
    SmallVector<ScanImport::Sequence> sequences;
    for (size_t i = 0; i < count; ++i) {
      mlir::Value all = n.in(1 + i);
      if (!all)
        return failure();
      Dims dims = dimsOf(all);
      size_t least = i < states ? 1 : 2;
      if (dims.size() < least || dims[0] != Dim(*batch))
        return n.fail("its input " + Twine(1 + i) + " is " + str(dims) +
                      ", and must begin with the batch of " + Twine(*batch));
      mlir::Value one = reshape(n.b, n.loc, slice(n.b, n.loc, all, 0, entry, 1),
                                Dims(dims.begin() + 1, dims.end()));
      if (i < states)
        inits.push_back(ScanImport::valueOf(one, n.type(1 + i)));
      else
        sequences.push_back(
            {one, n.type(1 + i), 0, directions[i - states] != 0});
    }
    auto values =
        ScanImport(n, body, states).run(inits, sequences, zeros, zeros);
    if (failed(values))
      return failure();
    for (size_t i = 0; i < n.numOutputs(); ++i) {
      mlir::Value value = (*values)[i].tensor;
      Dims dims = dimsOf(value);
      dims.insert(dims.begin(), Dim(1));
      parts[i].push_back(reshape(n.b, n.loc, value, dims));
      types[i] = (*values)[i].type;
    }
  }
  for (size_t i = 0; i < n.numOutputs(); ++i)
    if (n.wants(i))
      n.give(i,
             parts[i].size() == 1
                 ? parts[i][0]
                 : mlir::Value(ConcatOp::create(n.b, n.loc, parts[i], 0)),
             types[i]);
  return success();
}

LogicalResult scan(Node &n) {
  const GraphProto *body = n.attrGraph("body");
  if (!body)
    return n.fail("it has no body");
  size_t first = n.opset() < 9 ? 1 : 0;
  int64_t sequenceCount = n.attr("num_scan_inputs", 0);
  if (sequenceCount < 1 || sequenceCount > int64_t(n.numInputs()))
    return n.fail("`num_scan_inputs` is " + Twine(sequenceCount));
  int64_t states = int64_t(n.numInputs()) - int64_t(first) - sequenceCount;
  int64_t outputs = int64_t(body->output_size()) - states;
  if (states < 0 || outputs < 0 ||
      body->input_size() != sequenceCount + states ||
      int64_t(n.numOutputs()) > body->output_size())
    return n.fail("its body does not fit it: " + Twine(sequenceCount) +
                  " sequences of " + Twine(n.numInputs() - first) +
                  " inputs, and the body has " + Twine(body->input_size()) +
                  " inputs and " + Twine(body->output_size()) + " outputs");
  auto list = [&](StringRef name, int64_t size) {
    SmallVector<int64_t> zeros(size_t(size), 0);
    return n.attrInts(name, zeros);
  };
  auto directions =
      list(first ? "directions" : "scan_input_directions", sequenceCount);
  auto axes = list("scan_input_axes", sequenceCount);
  auto outputAxes = list("scan_output_axes", outputs);
  auto outputDirections = list("scan_output_directions", outputs);
  if (int64_t(directions.size()) != sequenceCount ||
      int64_t(axes.size()) != sequenceCount ||
      int64_t(outputAxes.size()) != outputs ||
      int64_t(outputDirections.size()) != outputs)
    return n.fail("its axes or directions are not one for each sequence");
  for (size_t i = first; i < n.numInputs(); ++i)
    if (!n.has(i))
      return n.fail("its input " + Twine(i) + " is missing");
  if (first)
    return scanOfBatches(n, *body, size_t(states), directions);

  std::vector<Value> inits;
  SmallVector<ScanImport::Sequence> sequences;
  for (size_t i = 0; i < n.numInputs(); ++i) {
    if (int64_t(i) < states) {
      inits.push_back(n.value(i));
      continue;
    }
    size_t k = i - size_t(states);
    FailureOr<int64_t> axis = n.axis(axes[k], n.rank(i));
    mlir::Value tensor = n.in(i);
    if (failed(axis) || !tensor)
      return failure();
    sequences.push_back({tensor, n.type(i), *axis, directions[k] != 0});
  }
  auto values = ScanImport(n, *body, size_t(states))
                    .run(inits, sequences, outputAxes, outputDirections);
  if (failed(values))
    return failure();
  for (size_t i = 0; i < n.numOutputs(); ++i)
    if (n.wants(i))
      n.give(i, std::move((*values)[i]));
  return success();
}

} // namespace

void addScanOps(OpTable &table) { table["Scan"] = scan; }

} // namespace mapsto::onnx
