//===- OpsLoop.cpp - Loop -------------------------------------------------===//
//
// A loop becomes `mapsto.scan`, or `mapsto.repeat` where a condition ends it.
// One whose values change their shape from step to step, or are sequences, is
// written out if its number of steps is known.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Loops.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// As many steps as a loop can have that does not say how many it has.
constexpr int64_t kEndless = std::numeric_limits<int32_t>::max();
/// Steps of a loop that is written out because no loop of the dialect does what
/// it does: its states grow, or are sequences.
constexpr int64_t kMostUnrolled = 1024;

/// A boolean or whole number that is one element, as far as it is known.
std::optional<Dim> knownScalar(Node &n, Value &value) {
  std::optional<Known> known = n.importer.numbersOf(value);
  if (!known || known->elements.size() != 1)
    return std::nullopt;
  n.importer.rely(*known);
  return known->elements[0];
}

class LoopImport {
public:
  explicit LoopImport(Node &n) : n(n) {}

  LogicalResult run() {
    body = n.attrGraph("body");
    if (!body)
      return n.fail("it has no body");
    carried = n.numInputs() < 2 ? 0 : n.numInputs() - 2;
    if (size_t(body->input_size()) != carried + 2 ||
        size_t(body->output_size()) < carried + 1 ||
        n.numOutputs() > size_t(body->output_size()) - 1)
      return n.fail("its body does not fit it: " + Twine(carried) +
                    " values are carried, the body has " +
                    Twine(body->input_size()) + " inputs and " +
                    Twine(body->output_size()) + " outputs");
    if (failed(readBounds()))
      return failure();
    Importer::Mark mark = n.importer.mark();
    std::string why;
    if (succeeded(asLoop(why)))
      return success();
    if (std::optional<int64_t> steps = unrolled()) {
      n.importer.rollBack(mark);
      n.outputs.clear();
      if (succeeded(unroll(*steps)))
        return success();
      // Where sizes turned out to be equal, all is imported anew.
      if (!why.empty() && n.importer.mark().equalities == mark.equalities)
        n.importer.rollBack(mark);
    }
    return why.empty() ? failure() : n.fail(why, hint);
  }

private:
  Node &n;
  const GraphProto *body = nullptr;
  size_t carried = 0;
  std::optional<Dim> count; ///< nothing: known at run time only, or no limit
  mlir::Value limit;        ///< the count that is known at run time only
  std::optional<bool> start = true; ///< nothing: known at run time only
  const char *hint =
      "if it is decided by an input's value, fix that: --set NAME=FILE";

  LogicalResult readBounds() {
    if (n.has(0)) {
      std::optional<Dim> given = knownScalar(n, n.value(0));
      if (given && given->isConstant()) {
        if (*given->constant() < kEndless) // PyTorch writes INT64_MAX for none
          count = Dim(std::max<int64_t>(*given->constant(), 0));
      } else if (given) {
        count = *given;
      } else {
        if (!(limit = n.in(0)))
          return failure();
        if (numElements(n.dims(0)) != Dim(1))
          return n.fail("its trip count is " + str(n.dims(0)) +
                        " and must be one number");
        limit =
            cast(n.b, n.loc, reshape(n.b, n.loc, limit, {}), n.b.getI64Type());
      }
    }
    if (n.has(1)) {
      std::optional<Dim> given = knownScalar(n, n.value(1));
      start = given && given->isConstant()
                  ? std::optional<bool>(*given->constant() != 0)
                  : std::nullopt;
      if (!start && numElements(n.dims(1)) != Dim(1))
        return n.fail("its condition is " + str(n.dims(1)) +
                      " and must be one truth value");
      if (start == false)
        count = Dim(0);
    }
    return success();
  }

  /// Whether the body hands a carried value on as it is.
  bool isInvariant(size_t i) {
    StringRef name = body->output(int(1 + i)).name();
    for (const NodeProto &node : llvm::reverse(body->node()))
      if (node.op_type() == "Identity" && node.output_size() == 1 &&
          node.input_size() == 1 && node.output(0) == name)
        name = node.input(0);
    return name == body->input(int(2 + i)).name();
  }

  Value knownValue(Known known, Type type) {
    Value value;
    value.type = type;
    value.known = std::move(known);
    return value;
  }

  /// The values that the body is called with; `iteration` and carried values
  /// that change are filled in by the caller.
  std::vector<Value> bodyInputs() {
    std::vector<Value> inputs(2 + carried);
    // Where the body runs, its condition holds.
    inputs[1] = knownValue(Known::scalar(Dim(1)), n.b.getI1Type());
    for (size_t i = 0; i < carried; ++i)
      inputs[2 + i] = n.value(2 + i);
    return inputs;
  }

  /// As a loop of the dialect. Failure, with the reason in `why` or reported,
  /// where none does what it does.
  LogicalResult asLoop(std::string &why) {
    std::vector<Value> inputs = bodyInputs();
    SmallVector<size_t> changing;
    LoopBody::Frame frame;
    SmallVector<Type> types;
    for (size_t i = 0; i < carried; ++i) {
      if (isInvariant(i))
        continue;
      Value &value = n.value(2 + i);
      if (value.list || !value) {
        why = "it carries a sequence, and its number of steps is not known";
        return failure();
      }
      mlir::Value init = n.in(2 + i);
      if (!init)
        return failure();
      changing.push_back(i);
      frame.inits.push_back(init);
      types.push_back(init.getType());
    }
    LoopBody loop(n, types, {});
    inputs[0].type = n.b.getI64Type();
    inputs[0].tensor = loop.number();
    for (auto [at, i] : llvm::enumerate(changing)) {
      Value state;
      state.type = n.type(2 + i);
      state.tensor = loop.state(at);
      inputs[2 + i] = std::move(state);
    }
    auto outputs = loop.import(*body, inputs);
    if (failed(outputs))
      return failure();
    bool good = true;
    loop.build([&] {
      for (auto [at, i] : llvm::enumerate(changing)) {
        mlir::Value next = n.importer.materialise((*outputs)[1 + i]);
        good &= bool(next);
        if (!next)
          continue;
        // A loop that can be written out may change its values' sizes.
        bool same = unrolled() || n.equal(dimsOf(types[at]), dimsOf(next));
        if (!same || next.getType() != types[at]) {
          why = "its carried value `" + body->input(int(2 + i)).name() +
                "` starts as " + str(dimsOf(frame.inits[at])) +
                " and becomes " + str(dimsOf(next));
          good = false;
        }
        frame.yields.push_back(next);
      }
      for (size_t i = 1 + carried; i < outputs->size(); ++i) {
        mlir::Value step = (*outputs)[i].list
                               ? mlir::Value()
                               : n.importer.materialise((*outputs)[i]);
        good &= bool(step);
        frame.yields.push_back(step);
      }
    });
    if (!good)
      return failure();
    bool stacks = outputs->size() > 1 + carried;
    std::optional<Dim> goesOn = knownScalar(n, (*outputs)[0]);
    bool always = goesOn && goesOn->isConstant() && *goesOn != Dim(0);
    if (stacks && (!always || !start || !count)) {
      why = "its number of steps is known at run time only, and decides the "
            "size of its output `" +
            body->output(int(1 + carried)).name() + "`";
      return failure();
    }
    if (always && !count && !limit) {
      why = "it never ends";
      return failure();
    }
    frame.count = count.value_or(Dim(kEndless));
    mlir::Value runs = whetherItRuns();
    loop.build([&] {
      frame.stop =
          stopCondition(always ? nullptr : &(*outputs)[0], loop.number(), runs);
    });
    SmallVector<mlir::Value> results = loop.finish(frame);
    for (size_t i = 0; i < carried; ++i)
      if (n.wants(i))
        n.give(i, n.value(2 + i));
    for (auto [at, i] : llvm::enumerate(changing)) {
      mlir::Value last = results[at];
      if (runs)
        last = SelectOp::create(n.b, n.loc,
                                broadcastTo(n.b, n.loc, runs, dimsOf(last)),
                                last, frame.inits[at]);
      if (n.wants(i))
        n.give(i, last, n.type(2 + i));
    }
    for (size_t i = carried; i < n.numOutputs(); ++i)
      if (n.wants(i))
        n.give(i, results[changing.size() + i - carried],
               (*outputs)[1 + i].type);
    return success();
  }

  /// Whether there is a first step, where that is known at run time only.
  mlir::Value whetherItRuns() {
    mlir::Value runs;
    if (limit)
      runs = CompareOp::create(n.b, n.loc, ComparePredicate::gt, limit,
                               scalar(n.b, n.loc, 0, n.b.getI64Type()));
    if (!start) {
      mlir::Value first = reshape(n.b, n.loc, n.in(1), {});
      runs = runs ? mlir::Value(AndOp::create(n.b, n.loc, runs, first)) : first;
    }
    return runs;
  }

  mlir::Value stopCondition(Value *goesOn, mlir::Value number,
                            mlir::Value runs) {
    mlir::Value stop;
    auto orElse = [&](mlir::Value other) {
      stop = stop ? mlir::Value(OrOp::create(n.b, n.loc, stop, other)) : other;
    };
    if (goesOn)
      orElse(NotOp::create(
          n.b, n.loc,
          reshape(n.b, n.loc, n.importer.materialise(*goesOn), {})));
    if (limit) {
      mlir::Value next = AddOp::create(n.b, n.loc, number,
                                       scalar(n.b, n.loc, 1, n.b.getI64Type()));
      orElse(CompareOp::create(n.b, n.loc, ComparePredicate::ge, next, limit));
    }
    if (runs)
      orElse(NotOp::create(n.b, n.loc, runs));
    return stop;
  }

  /// The most steps of a loop that may be written out.
  std::optional<int64_t> unrolled() {
    if (!start || limit)
      return std::nullopt;
    if (!count)
      return kMostUnrolled;
    std::optional<int64_t> steps = count->constant();
    return steps && *steps <= kMostUnrolled ? steps : std::nullopt;
  }

  LogicalResult unroll(int64_t most) {
    std::vector<Value> inputs = bodyInputs();
    std::vector<std::vector<Value>> stacked(size_t(body->output_size()) - 1 -
                                            carried);
    int64_t step = 0;
    for (bool goesOn = true; goesOn && step < most; ++step) {
      inputs[0] = knownValue(Known::scalar(Dim(step)), n.b.getI64Type());
      auto outputs = n.importer.inlineGraph(*body, inputs);
      if (failed(outputs))
        return failure();
      std::optional<Dim> next = knownScalar(n, (*outputs)[0]);
      if (!next || !next->isConstant())
        return n.fail("whether it goes on after step " + Twine(step) +
                          " is known at run time only, while the shapes of "
                          "its values change from step to step",
                      hint);
      goesOn = *next != Dim(0);
      for (size_t i = 0; i < carried; ++i)
        inputs[2 + i] = (*outputs)[1 + i];
      for (size_t i = 0; i < stacked.size(); ++i)
        stacked[i].push_back((*outputs)[1 + carried + i]);
    }
    if (!count && step == most)
      return n.fail("it has more than " + Twine(most) +
                    " steps, and its values change their shape");
    for (size_t i = 0; i < n.numOutputs(); ++i) {
      if (!n.wants(i))
        continue;
      if (i < carried)
        n.give(i, inputs[2 + i]);
      else if (failed(stack(i, stacked[i - carried])))
        return failure();
    }
    return success();
  }

  LogicalResult stack(size_t output, std::vector<Value> &steps) {
    SmallVector<mlir::Value> parts;
    SmallVector<Dim> numbers;
    for (Value &step : steps) {
      std::optional<Dim> number = step.known && step.known->shape.empty()
                                      ? knownScalar(n, step)
                                      : std::nullopt;
      if (number)
        numbers.push_back(*number);
    }
    if (!steps.empty() && numbers.size() == steps.size()) {
      n.give(output, Known::list(numbers), steps[0].type);
      return success();
    }
    for (Value &step : steps) {
      mlir::Value part =
          step.list ? mlir::Value() : n.importer.materialise(step);
      if (!part)
        return failure();
      if (!parts.empty() && dimsOf(part) != drop(parts[0]))
        return n.fail("the steps of its output `" +
                      n.proto.output(int(output)) + "` are " +
                      str(drop(parts[0])) + " and " + str(dimsOf(part)));
      Dims dims = dimsOf(part);
      dims.insert(dims.begin(), Dim(1));
      parts.push_back(reshape(n.b, n.loc, part, dims));
    }
    if (parts.empty())
      return n.fail("it has no step");
    n.give(output, ConcatOp::create(n.b, n.loc, parts, 0), steps[0].type);
    return success();
  }

  static Dims drop(mlir::Value part) {
    Dims dims = dimsOf(part);
    dims.erase(dims.begin());
    return dims;
  }
};

LogicalResult loop(Node &n) { return LoopImport(n).run(); }

} // namespace

void addLoopOps(OpTable &table) { table["Loop"] = loop; }

} // namespace mapsto::onnx
