//===- OpsRecurrent.cpp - RNN, LSTM, GRU ----------------------------------===//
//
// The forms that the dialect has names for become these; the others (clip,
// peepholes, coupled gates, other activations) are written as a scan. `clip`
// bounds what goes into the activations of the gates.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Recurrence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

using Values = SmallVector<mlir::Value>;

LogicalResult rnn(Node &n) {
  Recurrence r(n, {0}, {Activation::Tanh});
  if (failed(r.read()))
    return failure();
  return r.build([&](const Direction &d) -> Values {
    Activation f = d.activations[0];
    bool named = f.kind == Activation::Tanh || f.kind == Activation::Relu;
    if (named && !n.hasAttribute("clip")) {
      auto op = RnnOp::create(n.b, n.loc, d.x, d.wIh, d.wHh, d.bIh, d.bHh, d.h0,
                              d.lengths, d.axis, d.reverse,
                              f.kind == Activation::Relu ? Nonlinearity::relu
                                                         : Nonlinearity::tanh);
      return {op.getOut(), op.getHn()};
    }
    return r.scan(d, 1, true, [&](ValueRange states, mlir::Value x) -> Values {
      mlir::Value sum = r.add(x, r.recurrent(d, states[0], 0, 1)[0]);
      return {f(n.b, n.loc, r.clipped(sum))};
    });
  });
}

/// The gates of the op are i, o, f, c; those of the dialect i, f, g, o. The
/// peepholes are of i, o, f, the last from the new cell to the output gate.
LogicalResult lstm(Node &n) {
  Recurrence r(n, {0, 2, 3, 1},
               {Activation::Sigmoid, Activation::Tanh, Activation::Tanh});
  if (failed(r.read()))
    return failure();
  bool coupled = n.attr("input_forget", 0) != 0;
  return r.build([&](const Direction &d) -> Values {
    if (r.isPlain() && !coupled && d.peepholes.empty()) {
      auto op = LstmOp::create(n.b, n.loc, d.x, d.wIh, d.wHh, d.bIh, d.bHh,
                               d.h0, d.c0, d.lengths, d.axis, d.reverse);
      return {op.getOut(), op.getHn(), op.getCn()};
    }
    auto peep = [&](mlir::Value sum, mlir::Value cell, size_t gate) {
      if (d.peepholes.empty())
        return sum;
      mlir::Value weight =
          broadcastTo(n.b, n.loc, d.peepholes[gate], dimsOf(cell));
      return r.add(sum, r.mul(weight, cell));
    };
    const Activation &f = d.activations[0], &g = d.activations[1],
                     &h = d.activations[2];
    auto step = [&](ValueRange states, mlir::Value x) -> Values {
      mlir::Value old = states[1];
      Values sums = r.recurrent(d, states[0], 0, 4);
      for (auto [i, sum] : llvm::enumerate(sums))
        sum = r.add(r.gate(x, int64_t(i)), sum);
      auto open = [&](mlir::Value sum) {
        return f(n.b, n.loc, r.clipped(sum));
      };
      mlir::Value input = open(peep(sums[0], old, 0));
      mlir::Value forget;
      if (coupled)
        forget = SubOp::create(n.b, n.loc,
                               splat(n.b, n.loc, 1, input.getType()), input);
      else
        forget = open(peep(sums[1], old, 2));
      mlir::Value candidate = g(n.b, n.loc, r.clipped(sums[2]));
      mlir::Value cell = r.add(r.mul(forget, old), r.mul(input, candidate));
      mlir::Value output = open(peep(sums[3], cell, 1));
      return {r.mul(output, h(n.b, n.loc, cell)), cell};
    };
    return r.scan(d, 2, true, step);
  });
}

/// The gates of the op are z, r, h; those of the dialect r, z, n.
LogicalResult gru(Node &n) {
  Recurrence r(n, {1, 0, 2}, {Activation::Sigmoid, Activation::Tanh});
  if (failed(r.read()))
    return failure();
  bool resetAfter = n.attr("linear_before_reset", 0) != 0;
  return r.build([&](const Direction &d) -> Values {
    if (r.isPlain()) {
      auto op = GruOp::create(n.b, n.loc, d.x, d.wIh, d.wHh, d.bIh, d.bHh, d.h0,
                              d.lengths, d.axis, d.reverse,
                              /*reset_before=*/!resetAfter);
      return {op.getOut(), op.getHn()};
    }
    const Activation &f = d.activations[0], &g = d.activations[1];
    auto open = [&](mlir::Value x, mlir::Value sum) {
      return f(n.b, n.loc, r.clipped(r.add(x, sum)));
    };
    // Where the reset gate multiplies the candidate's sum, it multiplies the
    // bias in it too: that one cannot join the input's.
    auto step = [&](ValueRange states, mlir::Value x) -> Values {
      mlir::Value h = states[0];
      Values sums = r.recurrent(d, h, 0, resetAfter ? 3 : 2);
      if (resetAfter && d.bHh)
        for (auto [i, sum] : llvm::enumerate(sums))
          sum = r.addBias(sum, r.gateRows(d.bHh, int64_t(i), 1));
      mlir::Value reset = open(r.gate(x, 0), sums[0]);
      mlir::Value update = open(r.gate(x, 1), sums[1]);
      mlir::Value last = resetAfter ? r.mul(reset, sums[2])
                                    : r.recurrent(d, r.mul(reset, h), 2, 1)[0];
      mlir::Value candidate =
          g(n.b, n.loc, r.clipped(r.add(r.gate(x, 2), last)));
      mlir::Value away = SubOp::create(n.b, n.loc, h, candidate);
      return {r.add(candidate, r.mul(update, away))};
    };
    return r.scan(d, 1, !resetAfter, step);
  });
}

} // namespace

void addRecurrentOps(OpTable &table) {
  table["GRU"] = gru;
  table["LSTM"] = lstm;
  table["RNN"] = rnn;
}

} // namespace mapsto::onnx
