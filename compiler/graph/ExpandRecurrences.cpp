//===- ExpandRecurrences.cpp - rnn, lstm, gru as matmul and scan ----------===//
//
// Writes the named recurrences in primitive ops. What the gates take from the
// input is one matmul over the whole sequence; the scan's body holds only what
// depends on the state:
//
//   %out, %hn = mapsto.rnn %x, %w_ih, %w_hh bias_ih(%b_ih) bias_hh(%b_hh)
//               {axis = 1}
// becomes
//   %m = mapsto.matmul %x, %w_ih {transposed}
//   %p = mapsto.add %m, (broadcast %b_ih) (and the same for %b_hh)
//   %hn, %out = mapsto.scan init(%h0) over(%p) {axis = 1, count = "T"} {
//     ^bb0(%h, %p_t):
//       %r = mapsto.matmul %h, %w_hh {transposed}
//       %a = mapsto.add %p_t, %r
//       %n = mapsto.tanh %a
//       mapsto.yield %n, %n
//   }
//
// The recurrent bias joins the input's where the gates only add it: not in a
// gru's candidate, whose reset gate multiplies it in one of the two forms.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Build.h"

namespace mapsto {

#define GEN_PASS_DEF_EXPANDRECURRENCES
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

/// One layer being written: what the three kinds have in common.
template <typename Op> class Expansion {
public:
  explicit Expansion(Op op)
      : op(op), builder(op), b(builder, op.getLoc()),
        element(elementTypeOf(op.getX())), state(dimsOf(op.getHn())),
        hidden(state[1]) {}

  /// x W_ih^T + b_ih for every step: [T, B, G*H] or [B, T, G*H].
  Value projectInput() {
    return addBias(b.matmul(op.getX(), op.getWIh(), true), op.getBIh());
  }

  Value addBias(Value x, Value bias) {
    return bias ? b.add(x, b.broadcast(bias, dimsOf(x))) : x;
  }

  /// The given initial state, else zeros.
  Value initial(Value given) {
    return given ? given : b.splat(0, state, element);
  }

  /// The i-th gate's part of [B, G*H].
  Value gate(Value x, int64_t i) {
    return b.slice(x, 1, Dim(i) * hidden, hidden);
  }
  Value sigmoid(Value x) { return b.create<SigmoidOp>(x); }
  Value tanh(Value x) { return b.create<TanhOp>(x); }

  /// Rows [from, from + count) of gates of W_hh or b_hh; of a parameter, they
  /// are a parameter too.
  Value gateRows(Value x, int64_t from, int64_t count) {
    Dims dims = dimsOf(x);
    dims[0] = Dim(count) * hidden;
    if (dims == dimsOf(x))
      return x;
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfterValue(x);
    auto weight = x.template getDefiningOp<WeightOp>();
    std::optional<int64_t> rows = hidden.constant();
    if (!weight || !rows || weight.getPanel())
      return b.slice(x, 0, Dim(from) * hidden, dims[0]);
    return b.create<WeightOp>(tensorOf(dims, elementTypeOf(x)), weight,
                              from * *rows);
  }

  /// h W^T, gate by gate: of a parameter, each gate's rows are packed apart, so
  /// that each begins at a panel.
  SmallVector<Value> recurrent(Value h, Value weight, int64_t from,
                               int64_t count) {
    SmallVector<Value> gates;
    if (weight.template getDefiningOp<WeightOp>()) {
      for (int64_t i = from; i < from + count; ++i)
        gates.push_back(b.matmul(h, gateRows(weight, i, 1), true));
      return gates;
    }
    Value all = b.matmul(h, gateRows(weight, from, count), true);
    for (int64_t i = 0; i < count; ++i)
      gates.push_back(gate(all, i));
    return gates;
  }

  /// A scan of `inits` over the projection whose body is written by `step`,
  /// from the states and the projection's step to the new states; the first of
  /// them is also the output.
  void finish(ValueRange inits, Value projection,
              function_ref<SmallVector<Value>(ValueRange, Value)> step) {
    SmallVector<Type> types(inits.getTypes());
    types.push_back(op.getOut().getType());
    auto scan = ScanOp::create(
        builder, op.getLoc(), types, inits, ValueRange{projection},
        op.getLengths(), op.getAxisAttr(),
        builder.getStringAttr(dimOf(projection, op.getAxis()).str()),
        op.getReverse() ? builder.getUnitAttr() : UnitAttr());
    Dims stepDims = dimsOf(projection);
    stepDims.erase(stepDims.begin() + op.getAxis());
    SmallVector<Type> arguments(inits.getTypes());
    arguments.push_back(tensorOf(stepDims, element));
    Block *body = builder.createBlock(
        &scan.getBody(), scan.getBody().end(), arguments,
        SmallVector<Location>(arguments.size(), op.getLoc()));
    SmallVector<Value> next =
        step(body->getArguments().drop_back(), body->getArguments().back());
    next.push_back(next.front());
    YieldOp::create(builder, op.getLoc(), next);

    SmallVector<Value> results{scan.getResults().back()};
    llvm::append_range(results, scan.getResults().drop_back());
    op->replaceAllUsesWith(results);
    op->erase();
  }

  Op op;
  OpBuilder builder;
  GraphBuilder b;
  Type element;
  Dims state; // [B, H]
  Dim hidden;
};

void expand(RnnOp op) {
  Expansion<RnnOp> e(op);
  Value projection = e.addBias(e.projectInput(), op.getBHh());
  e.finish({e.initial(op.getH0())}, projection,
           [&](ValueRange states, Value x) -> SmallVector<Value> {
             Value a = e.b.add(x, e.b.matmul(states[0], op.getWHh(), true));
             if (op.getNonlinearity() == Nonlinearity::tanh)
               return {e.tanh(a)};
             return {e.b.create<MaxOp>(a, e.b.splat(0, e.state, e.element))};
           });
}

void expand(LstmOp op) {
  Expansion<LstmOp> e(op);
  Value projection = e.addBias(e.projectInput(), op.getBHh());
  e.finish({e.initial(op.getH0()), e.initial(op.getC0())}, projection,
           [&](ValueRange states, Value x) -> SmallVector<Value> {
             SmallVector<Value> a = e.recurrent(states[0], op.getWHh(), 0, 4);
             for (auto [i, sum] : llvm::enumerate(a))
               sum = e.b.add(e.gate(x, i), sum);
             Value input = e.sigmoid(a[0]);
             Value forget = e.sigmoid(a[1]);
             Value candidate = e.tanh(a[2]);
             Value output = e.sigmoid(a[3]);
             Value cell =
                 e.b.add(e.b.mul(forget, states[1]), e.b.mul(input, candidate));
             return {e.b.mul(output, e.tanh(cell)), cell};
           });
}

/// (1 - z) * n + z * h, which is n + z * (h - n).
Value blend(GraphBuilder &b, Value z, Value n, Value h) {
  return b.add(n, b.mul(z, b.sub(h, n)));
}

void expand(GruOp op) {
  Expansion<GruOp> e(op);
  e.finish({e.initial(op.getH0())}, e.projectInput(),
           [&](ValueRange states, Value x) -> SmallVector<Value> {
             Value h = states[0];
             SmallVector<Value> sums = e.recurrent(h, op.getWHh(), 0, 3);
             if (Value bias = op.getBHh())
               for (auto [i, sum] : llvm::enumerate(sums))
                 sum = e.addBias(sum, e.gateRows(bias, i, 1));
             Value reset = e.sigmoid(e.b.add(e.gate(x, 0), sums[0]));
             Value update = e.sigmoid(e.b.add(e.gate(x, 1), sums[1]));
             Value candidate =
                 e.tanh(e.b.add(e.gate(x, 2), e.b.mul(reset, sums[2])));
             return {blend(e.b, update, candidate, h)};
           });
}

/// The form of Cho et al.: the reset gate acts on the state, so that the
/// candidate's matmul has to wait for it.
void expandResetBefore(GruOp op) {
  Expansion<GruOp> e(op);
  Value projection = e.addBias(e.projectInput(), op.getBHh());
  e.finish({e.initial(op.getH0())}, projection,
           [&](ValueRange states, Value x) -> SmallVector<Value> {
             Value h = states[0];
             SmallVector<Value> gates = e.recurrent(h, op.getWHh(), 0, 2);
             Value reset = e.sigmoid(e.b.add(e.gate(x, 0), gates[0]));
             Value update = e.sigmoid(e.b.add(e.gate(x, 1), gates[1]));
             SmallVector<Value> sum =
                 e.recurrent(e.b.mul(reset, h), op.getWHh(), 2, 1);
             Value candidate = e.tanh(e.b.add(e.gate(x, 2), sum[0]));
             return {blend(e.b, update, candidate, h)};
           });
}

struct ExpandRecurrences
    : public impl::ExpandRecurrencesBase<ExpandRecurrences> {
  void runOnOperation() override {
    getOperation().walk([](Operation *op) {
      if (auto rnn = dyn_cast<RnnOp>(op))
        expand(rnn);
      else if (auto lstm = dyn_cast<LstmOp>(op))
        expand(lstm);
      else if (auto gru = dyn_cast<GruOp>(op))
        gru.getResetBefore() ? expandResetBefore(gru) : expand(gru);
    });
  }
};

} // namespace
} // namespace mapsto
