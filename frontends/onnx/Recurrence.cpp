#include "frontends/onnx/Recurrence.h"

using namespace mlir;

namespace mapsto::onnx {

/// Inputs of all three ops.
enum { X, W, R, B, SequenceLens, InitialH, InitialC, P };

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

LogicalResult Recurrence::read() {
  std::string direction = n.attrString("direction", "forward");
  if (direction != "forward" && direction != "reverse" &&
      direction != "bidirectional")
    return n.fail("there is no direction `" + Twine(direction) + "`");
  directions = direction == "bidirectional" ? 2 : 1;
  firstReverse = direction == "reverse";
  batchFirst = n.attr("layout", 0) != 0;
  if (const AttributeProto *a = n.attribute("clip")) {
    if (!(a->f() > 0))
      return n.fail("`clip` is " + std::to_string(a->f()) +
                    " and must be above 0");
    clip = double(a->f());
  }
  FailureOr<SmallVector<Activation>> functions =
      readActivations(n, defaults, directions);
  if (failed(functions))
    return failure();
  activations = std::move(*functions);
  return readSizes();
}

LogicalResult Recurrence::readSizes() {
  for (size_t i : {X, W, R})
    if (!n.has(i))
      return n.fail("its input " + Twine("XWR"[i]) + " is missing");
  if (!isa<FloatType>(n.type(X)))
    return n.fail("its input must be of floating point");
  for (size_t i : {X, W, R})
    if (n.rank(i) != 3)
      return n.fail("its input " + Twine("XWR"[i]) + " is " + str(n.dims(i)) +
                    " and must have three axes");
  Dims x = n.dims(X);
  steps = x[batchFirst];
  batch = x[!batchFirst];
  inputSize = x[2];
  Dims r = n.dims(R);
  std::optional<int64_t> size = r[2].constant();
  if (!size || *size <= 0)
    return n.fail("its hidden size is " + r[2].str() + " and must be a number");
  hidden = *size;
  if (int64_t given = n.attr("hidden_size", hidden); given != hidden)
    return n.fail("`hidden_size` is " + Twine(given) + ", and R is " + str(r));
  int64_t rows = int64_t(gates.size()) * hidden;
  if (failed(checkInput(W, {directions, rows, inputSize})) ||
      failed(checkInput(R, {directions, rows, hidden})) ||
      failed(checkInput(B, {directions, 2 * rows})) ||
      failed(checkInput(P, {directions, 3 * hidden})))
    return failure();
  Dims states{directions, batch, hidden};
  if (batchFirst)
    std::swap(states[0], states[1]);
  if (failed(checkInput(InitialH, states)) ||
      failed(checkInput(InitialC, states)))
    return failure();
  return checkInput(SequenceLens, {batch});
}

LogicalResult Recurrence::checkInput(size_t i, ArrayRef<Dim> dims) {
  static constexpr StringRef names[] = {
      "X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};
  if (!n.has(i) || n.equal(dims, n.dims(i)))
    return success();
  return n.fail("its input " + names[i] + " is " + str(n.dims(i)) +
                ", expected " + str(dims));
}

bool Recurrence::isPlain() const {
  for (auto [i, activation] : llvm::enumerate(activations))
    if (activation.kind != defaults[i % defaults.size()])
      return false;
  return !clip;
}

/// Blocks of `hidden` rows of W, R, B or P, one after the other. Of data of the
/// file they are data again, so that nothing is left to do at run time.
mlir::Value Recurrence::blocks(size_t input, int64_t d,
                               ArrayRef<int64_t> which) {
  Dims dims = n.dims(input);
  int64_t count = *dims[1].constant() / hidden;
  Dims to(dims.begin() + 1, dims.end());
  to[0] = Dim(int64_t(which.size()) * hidden);
  n.importer.makeData(n.value(input));
  if (n.value(input).data) {
    const TensorData &all = *n.value(input).data;
    size_t block = all.bytes.size() / size_t(directions * count);
    ArrayRef<uint8_t> mine =
        all.bytes.slice(size_t(d * count) * block, size_t(count) * block);
    auto isNext = [&](size_t i) { return which[i] == which[0] + int64_t(i); };
    Value part;
    part.type = n.type(input);
    part.name = n.value(input).name;
    if (directions > 1)
      part.name += d ? ".reverse" : ".forward";
    part.data = all;
    part.data->shape.clear();
    for (const Dim &dim : to)
      part.data->shape.push_back(*dim.constant());
    if (llvm::all_of(llvm::seq<size_t>(0, which.size()), isNext)) {
      part.data->bytes =
          mine.slice(size_t(which[0]) * block, which.size() * block);
    } else {
      std::vector<uint8_t> bytes;
      bytes.reserve(which.size() * block);
      for (int64_t i : which)
        llvm::append_range(bytes, mine.slice(size_t(i) * block, block));
      part.data->bytes = n.importer.keep(std::move(bytes));
    }
    return n.importer.materialise(part);
  }
  mlir::Value whole = slice(n.b, n.loc, n.in(input), 0, d, 1);
  whole = reshape(n.b, n.loc, whole, Dims(dims.begin() + 1, dims.end()));
  SmallVector<mlir::Value> parts;
  for (int64_t i : which)
    parts.push_back(slice(n.b, n.loc, whole, 0, i * hidden, hidden));
  return parts.size() == 1
             ? parts[0]
             : mlir::Value(ConcatOp::create(n.b, n.loc, parts, 0));
}

FailureOr<mlir::Value> Recurrence::state(size_t input, int64_t d) {
  if (!n.has(input))
    return mlir::Value();
  mlir::Value all = n.in(input);
  if (!all)
    return failure();
  return reshape(n.b, n.loc, slice(n.b, n.loc, all, batchFirst, d, 1),
                 Dims{batch, hidden});
}

/// Lengths that are known and leave nothing out are none.
FailureOr<mlir::Value> Recurrence::lengths() {
  if (!n.has(SequenceLens))
    return mlir::Value();
  const Known *known = n.known(SequenceLens);
  if (known && known->assumes.empty() &&
      llvm::all_of(known->elements, [&](const Dim &l) { return l == steps; }))
    return mlir::Value();
  mlir::Value given = n.in(SequenceLens);
  if (!given)
    return failure();
  return given;
}

FailureOr<Direction> Recurrence::direction(int64_t d) {
  Direction result;
  result.x = n.in(X);
  result.wIh = blocks(W, d, gates);
  result.wHh = blocks(R, d, gates);
  if (!result.x || !result.wIh || !result.wHh)
    return failure();
  if (n.has(B)) {
    result.bIh = blocks(B, d, gates);
    SmallVector<int64_t> second;
    for (int64_t gate : gates)
      second.push_back(gate + int64_t(gates.size()));
    result.bHh = blocks(B, d, second);
  }
  if (n.has(P))
    for (int64_t i = 0; i < 3; ++i)
      result.peepholes.push_back(blocks(P, d, {i}));
  FailureOr<mlir::Value> h0 = state(InitialH, d), c0 = state(InitialC, d);
  FailureOr<mlir::Value> ends = lengths();
  if (failed(h0) || failed(c0) || failed(ends))
    return failure();
  result.h0 = *h0;
  result.c0 = *c0;
  result.lengths = *ends;
  result.activations = ArrayRef<Activation>(activations)
                           .slice(size_t(d) * defaults.size(), defaults.size());
  result.axis = batchFirst;
  result.reverse = firstReverse || d == 1;
  return result;
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

LogicalResult Recurrence::build(
    function_ref<SmallVector<mlir::Value>(const Direction &)> layer) {
  // Y is [T, D, B, H] or [B, T, D, H], states are [D, B, H] or [B, D, H].
  SmallVector<SmallVector<mlir::Value>, 3> parts;
  auto withDirection = [&](mlir::Value v, int64_t axis) {
    Dims dims = dimsOf(v);
    dims.insert(dims.begin() + axis, Dim(1));
    return reshape(n.b, n.loc, v, dims);
  };
  auto axisOf = [&](size_t output) -> int64_t {
    return output == 0 ? (batchFirst ? 2 : 1) : batchFirst;
  };
  for (int64_t d = 0; d < directions; ++d) {
    FailureOr<Direction> one = direction(d);
    if (failed(one))
      return failure();
    SmallVector<mlir::Value> made = layer(*one);
    parts.resize(made.size());
    for (auto [i, value] : llvm::enumerate(made))
      parts[i].push_back(withDirection(value, axisOf(i)));
  }
  for (auto [i, both] : llvm::enumerate(parts)) {
    if (!n.wants(i))
      continue;
    n.give(i, both.size() == 1
                  ? both[0]
                  : mlir::Value(ConcatOp::create(n.b, n.loc, both, axisOf(i))));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// A layer as a scan
//===----------------------------------------------------------------------===//

mlir::Value Recurrence::add(mlir::Value x, mlir::Value y) {
  return AddOp::create(n.b, n.loc, x, y);
}

mlir::Value Recurrence::mul(mlir::Value x, mlir::Value y) {
  return MulOp::create(n.b, n.loc, x, y);
}

mlir::Value Recurrence::addBias(mlir::Value x, mlir::Value bias) {
  return bias ? add(x, broadcastTo(n.b, n.loc, bias, dimsOf(x))) : x;
}

mlir::Value Recurrence::gate(mlir::Value x, int64_t i) {
  return slice(n.b, n.loc, x, 1, i * hidden, hidden);
}

mlir::Value Recurrence::clipped(mlir::Value x) {
  if (!clip)
    return x;
  auto bound = [&](double value) {
    return splat(n.b, n.loc, value, x.getType());
  };
  return MinOp::create(n.b, n.loc, MaxOp::create(n.b, n.loc, x, bound(-*clip)),
                       bound(*clip));
}

mlir::Value Recurrence::gateRows(mlir::Value x, int64_t from, int64_t count) {
  OpBuilder::InsertionGuard guard(n.b);
  n.b.setInsertionPointAfterValue(x);
  return slice(n.b, n.loc, x, 0, from * hidden, count * hidden);
}

SmallVector<mlir::Value> Recurrence::recurrent(const Direction &d,
                                               mlir::Value h, int64_t from,
                                               int64_t count) {
  auto product = [&](int64_t first, int64_t size) -> mlir::Value {
    return MatmulOp::create(n.b, n.loc, h, gateRows(d.wHh, first, size),
                            /*transposed=*/true);
  };
  SmallVector<mlir::Value> gates;
  // A parameter's gates are packed apart, so that each begins at a panel.
  if (d.wHh.getDefiningOp<WeightOp>()) {
    for (int64_t i = from; i < from + count; ++i)
      gates.push_back(product(i, 1));
    return gates;
  }
  mlir::Value all = product(from, count);
  for (int64_t i = 0; i < count; ++i)
    gates.push_back(gate(all, i));
  return gates;
}

SmallVector<mlir::Value> Recurrence::scan(const Direction &d, unsigned states,
                                          bool withRecurrentBias, Step step) {
  mlir::Value projection =
      MatmulOp::create(n.b, n.loc, d.x, d.wIh, /*transposed=*/true);
  projection = addBias(projection, d.bIh);
  if (withRecurrentBias)
    projection = addBias(projection, d.bHh);
  Type state = tensorOf(Dims{batch, hidden}, n.type(X));
  SmallVector<mlir::Value> inits{d.h0, d.c0};
  inits.resize(states);
  for (mlir::Value &init : inits)
    if (!init)
      init = splat(n.b, n.loc, 0, state);
  SmallVector<Type> types(states, state);
  Dims out{batch, hidden};
  out.insert(out.begin() + d.axis, steps);
  types.push_back(tensorOf(out, n.type(X)));
  auto scan = ScanOp::create(n.b, n.loc, types, inits, ValueRange{projection},
                             d.lengths, d.axis, steps.str(), d.reverse);
  SmallVector<Type> arguments(states, state);
  arguments.push_back(
      tensorOf(Dims{batch, dimsOf(projection).back()}, n.type(X)));
  OpBuilder::InsertionGuard guard(n.b);
  Block *body = n.b.createBlock(&scan.getBody(), {}, arguments,
                                SmallVector<Location>(states + 1, n.loc));
  SmallVector<mlir::Value> next =
      step(body->getArguments().drop_back(), body->getArguments().back());
  next.push_back(next.front());
  YieldOp::create(n.b, n.loc, next);
  SmallVector<mlir::Value> results{scan.getResults().back()};
  llvm::append_range(results, scan.getResults().drop_back());
  return results;
}

} // namespace mapsto::onnx
