//===- OpsCausalConvolution.cpp - Convolution over what was, step by step -===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// Input [B, C, T], a kernel [C, 1, k] for each channel, optionally a bias [C]
/// and the k - 1 steps before (zeros without). The second output is those for
/// the next call.
LogicalResult causalConvolution(Node &n) {
  Dims x = n.dims(0), weight = n.dims(1);
  if (x.size() != 3 || weight.size() != 3 || !x[1].isConstant() ||
      weight[0] != x[1] || weight[1] != Dim(1) || !weight[2].isConstant())
    return n.fail("input " + str(x) + " and weight " + str(weight) +
                  " are not [B, C, T] and [C, 1, k] of numbers C and k");
  Dim channels = x[1], before = weight[2] - Dim(1);
  Dims state = {x[0], channels, before};
  mlir::Value past =
      n.has(3) ? n.in(3)
               : splat(n.b, n.loc, 0,
                       mapsto::tensorOf(state, elementTypeOf(n.in(0))));
  if (dimsOf(past) != state)
    return n.fail("the state before is " + str(dimsOf(past)) + ", not " +
                  str(state));
  mlir::Value all = ConcatOp::create(n.b, n.loc, ValueRange{past, n.in(0)}, 2);
  mlir::Value y = Conv1dOp::create(n.b, n.loc, all, n.in(1), /*stride=*/1,
                                   /*pad_low=*/0, /*pad_high=*/0,
                                   /*dilation=*/1, *channels.constant());
  if (n.has(2))
    y = *binary<AddOp>(n.b, n.loc, y,
                       reshape(n.b, n.loc, n.in(2), Dims{channels, Dim(1)}));
  std::string activation = n.attrString("activation", "none");
  if (activation == "silu" || activation == "swish") {
    Term sum(n, y);
    y = (sum * apply<SigmoidOp>(sum)).v;
  } else if (activation != "none") {
    return n.fail("activation `" + activation +
                  "` is none of silu, swish, "
                  "none");
  }
  if (n.wants(1))
    n.give(1, slice(n.b, n.loc, all, 2, x[2], before));
  return n.result(y, n.type(0));
}

} // namespace

void addCausalConvolutionOps(OpTable &table) {
  table["CausalConvWithState"] = causalConvolution;
}

} // namespace mapsto::onnx
