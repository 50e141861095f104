//===- Recurrences.cpp - Rules: scan, rnn, lstm, gru ----------------------===//

#include "dialect/interpreter/Rules.h"

#include <cmath>

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// scan
//===----------------------------------------------------------------------===//

// x without `axis`, at one index of it.
static Tensor stepOf(const Tensor &x, int64_t axis, int64_t index) {
  Shape shape = x.shape, strides = stridesOf(x.shape);
  int64_t offset = index * strides[axis];
  shape.erase(shape.begin() + axis);
  strides.erase(strides.begin() + axis);
  Tensor step(x.elementType, shape);
  gatherInto(step, x, strides, offset);
  return step;
}

// Copies the rows (first axis) of `step` for which `live` holds into `to` at
// one index of `axis`; all of it where there are no rows.
static void storeStep(Tensor &to, const Tensor &step, int64_t axis,
                      int64_t index, function_ref<bool(int64_t)> live) {
  Shape strides = stridesOf(to.shape);
  int64_t offset = index * strides[axis];
  strides.erase(strides.begin() + axis);
  int64_t rows = step.rank() ? step.shape[0] : 1;
  int64_t rowSize = rows ? step.size() / rows : 0;
  int64_t from = 0;
  forEachPosition(step.shape, strides, offset, [&](int64_t position) {
    if (live(from / rowSize)) {
      if (to.isFloat())
        to.f[position] = step.f[from];
      else
        to.i[position] = step.i[from];
    }
    ++from;
  });
}

static void replaceRows(Tensor &state, const Tensor &next,
                        function_ref<bool(int64_t)> live) {
  int64_t rows = state.rank() ? state.shape[0] : 1;
  int64_t rowSize = rows ? state.size() / rows : 0;
  for (int64_t at = 0, e = state.size(); at != e; ++at) {
    if (!live(at / rowSize))
      continue;
    if (state.isFloat())
      state.f[at] = next.f[at];
    else
      state.i[at] = next.i[at];
  }
}

static LogicalResult scan(ScanOp op, Call &call) {
  unsigned states = op.getInits().size(), sequences = op.getSequences().size();
  FailureOr<int64_t> count = call.sizeOf(*Dim::parse(op.getCount()));
  if (failed(count))
    return failure();
  const Tensor *lengths = op.getLengths() ? call.operands.back() : nullptr;
  int64_t axis = op.getAxis();
  for (unsigned s = 0; s != states; ++s)
    call.out(s) = call.in(s);

  for (int64_t n = 0; n != *count; ++n) {
    int64_t t = op.getReverse() ? *count - 1 - n : n;
    std::vector<Tensor> steps;
    for (unsigned s = 0; s != sequences; ++s)
      steps.push_back(stepOf(call.in(states + s), axis, t));
    SmallVector<const Tensor *> arguments;
    for (unsigned s = 0; s != states; ++s)
      arguments.push_back(&call.out(s));
    for (const Tensor &step : steps)
      arguments.push_back(&step);
    auto yielded = call.run.runRegion(op.getBody(), arguments);
    if (failed(yielded))
      return failure();
    auto live = [&](int64_t row) { return !lengths || t < lengths->i[row]; };
    for (auto [r, tensor] : llvm::enumerate(*yielded)) {
      if (r < states)
        replaceRows(call.out(r), tensor, live);
      else
        storeStep(call.out(r), tensor, axis, t, live);
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// rnn, lstm, gru: the equations for one row of the batch
//===----------------------------------------------------------------------===//

namespace {
using Row = std::vector<double>;

/// A layer's parameters; biases that are not there are 0.
struct Layer {
  const Tensor &wIh, &wHh;
  const Tensor *bIh, *bHh;

  /// Row g of W_ih x + b_ih.
  double fromInput(int64_t g, const double *x) const {
    return dot(wIh, g, x) + (bIh ? bIh->f[g] : 0);
  }
  /// Row g of W_hh h + b_hh.
  double fromState(int64_t g, const double *h) const {
    return dot(wHh, g, h) + (bHh ? bHh->f[g] : 0);
  }

private:
  static double dot(const Tensor &matrix, int64_t row, const double *x) {
    int64_t columns = matrix.shape[1];
    const double *coefficients = matrix.f.data() + row * columns;
    double sum = 0;
    for (int64_t n = 0; n != columns; ++n)
      sum += coefficients[n] * x[n];
    return sum;
  }
};
} // namespace

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

static void rnnStep(const Layer &layer, Nonlinearity f, const double *x,
                    Row &h) {
  Row next(h.size());
  for (size_t u = 0; u != h.size(); ++u) {
    double sum = layer.fromInput(u, x) + layer.fromState(u, h.data());
    next[u] = f == Nonlinearity::tanh ? std::tanh(sum) : std::fmax(sum, 0);
  }
  h = next;
}

static void lstmStep(const Layer &layer, const double *x, Row &h, Row &c) {
  size_t H = h.size();
  Row next(H);
  for (size_t u = 0; u != H; ++u) {
    auto gate = [&](size_t g) {
      return layer.fromInput(g * H + u, x) +
             layer.fromState(g * H + u, h.data());
    };
    double in = sigmoid(gate(0)), forget = sigmoid(gate(1));
    double candidate = std::tanh(gate(2)), out = sigmoid(gate(3));
    c[u] = forget * c[u] + in * candidate;
    next[u] = out * std::tanh(c[u]);
  }
  h = next;
}

static void gruStep(const Layer &layer, bool resetBefore, const double *x,
                    Row &h) {
  size_t H = h.size();
  Row reset(H), resetState(H), next(H);
  auto gate = [&](size_t g, size_t u) {
    return sigmoid(layer.fromInput(g * H + u, x) +
                   layer.fromState(g * H + u, h.data()));
  };
  for (size_t u = 0; u != H; ++u) {
    reset[u] = gate(0, u);
    resetState[u] = reset[u] * h[u];
  }
  for (size_t u = 0; u != H; ++u) {
    double update = gate(1, u);
    double recurrent = resetBefore
                           ? layer.fromState(2 * H + u, resetState.data())
                           : reset[u] * layer.fromState(2 * H + u, h.data());
    double candidate = std::tanh(layer.fromInput(2 * H + u, x) + recurrent);
    next[u] = (1 - update) * candidate + update * h[u];
  }
  h = next;
}

// Walks every row of the batch through time. `step` gets a step's input and
// the row's states (h, and c where there is one) and replaces them.
template <typename Op>
static LogicalResult
recur(Op op, Call &call, ArrayRef<const Tensor *> initial,
      function_ref<void(const Layer &, const double *, std::vector<Row> &)>
          step) {
  const Tensor &x = call.in(0);
  Layer layer{call.in(1), call.in(2), call.valueOf(op.getBIh()),
              call.valueOf(op.getBHh())};
  const Tensor *lengths = call.valueOf(op.getLengths());
  int64_t axis = op.getAxis();
  int64_t T = x.shape[axis], B = x.shape[1 - axis], I = x.shape[2];
  int64_t H = layer.wHh.shape[1];
  int64_t rowStride = axis == 0 ? 1 : T, timeStride = axis == 0 ? B : 1;

  for (int64_t b = 0; b != B; ++b) {
    std::vector<Row> states(initial.size(), Row(H));
    for (auto [state, from] : llvm::zip_equal(states, initial))
      if (from)
        state.assign(from->f.begin() + b * H, from->f.begin() + (b + 1) * H);
    for (int64_t n = 0; n != T; ++n) {
      int64_t t = op.getReverse() ? T - 1 - n : n;
      if (lengths && t >= lengths->i[b])
        continue;
      int64_t at = b * rowStride + t * timeStride;
      step(layer, x.f.data() + at * I, states);
      llvm::copy(states[0], call.out(0).f.begin() + at * H);
    }
    for (auto [n, state] : llvm::enumerate(states))
      llvm::copy(state, call.out(1 + n).f.begin() + b * H);
  }
  return success();
}

static LogicalResult rnn(RnnOp op, Call &call) {
  return recur(
      op, call, {call.valueOf(op.getH0())},
      [&](const Layer &layer, const double *x, std::vector<Row> &states) {
        rnnStep(layer, op.getNonlinearity(), x, states[0]);
      });
}

static LogicalResult lstm(LstmOp op, Call &call) {
  return recur(
      op, call, {call.valueOf(op.getH0()), call.valueOf(op.getC0())},
      [&](const Layer &layer, const double *x, std::vector<Row> &states) {
        lstmStep(layer, x, states[0], states[1]);
      });
}

static LogicalResult gru(GruOp op, Call &call) {
  return recur(
      op, call, {call.valueOf(op.getH0())},
      [&](const Layer &layer, const double *x, std::vector<Row> &states) {
        gruStep(layer, op.getResetBefore(), x, states[0]);
      });
}

void addRecurrenceRules(RuleTable &rules) {
  addRule<ScanOp>(rules, scan);
  addRule<RnnOp>(rules, rnn);
  addRule<LstmOp>(rules, lstm);
  addRule<GruOp>(rules, gru);
}

} // namespace mapsto
