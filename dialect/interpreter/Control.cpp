//===- Control.cpp - Rules: repeat, launch --------------------------------===//

#include "dialect/interpreter/Rules.h"

using namespace mlir;

namespace mapsto {

// Writes `step` into `to` at one index of `axis`.
static void stack(Tensor &to, const Tensor &step, int64_t axis, int64_t index) {
  AxisView view(to.shape, axis);
  int64_t from = 0;
  for (int64_t o = 0; o != view.outer; ++o)
    for (int64_t i = 0; i != view.inner; ++i, ++from) {
      int64_t at = view.at(o, index, i);
      if (to.isFloat())
        to.f[at] = step.f[from];
      else
        to.i[at] = step.i[from];
    }
}

static LogicalResult repeat(RepeatOp op, Call &call) {
  unsigned states = op.getInits().size();
  FailureOr<int64_t> count = call.sizeOf(*Dim::parse(op.getCount()));
  if (failed(count))
    return failure();
  for (unsigned s = 0; s != states; ++s)
    call.out(s) = call.in(s);
  Tensor number(IntegerType::get(op.getContext(), 64), {});
  for (int64_t n = 0; n != *count; ++n) {
    number.i[0] = n;
    SmallVector<const Tensor *> arguments{&number};
    for (unsigned s = 0; s != states; ++s)
      arguments.push_back(&call.out(s));
    auto yielded = call.run.runRegion(op.getBody(), arguments);
    if (failed(yielded))
      return failure();
    for (unsigned r = 0, e = op.getNumResults(); r != e; ++r) {
      Tensor &tensor = (*yielded)[r + 1];
      if (r < states)
        call.out(r) = std::move(tensor);
      else
        stack(call.out(r), tensor, op.getAxis(), n);
    }
    bool stop = yielded->front().i[0];
    if (stop)
      break;
  }
  return success();
}

static LogicalResult launch(LaunchOp op, Call &call) {
  auto kernel =
      SymbolTable::lookupNearestSymbolFrom<KernelOp>(op, op.getKernelAttr());
  if (!kernel)
    return call.fail("there is no kernel '" + op.getKernel() + "'");
  auto results = call.run.runBlock(kernel.getBody().front(), call.operands);
  if (failed(results))
    return failure();
  for (auto [result, value] : llvm::zip_equal(call.results, *results))
    result = std::move(value);
  return success();
}

void addControlRules(RuleTable &rules) {
  addRule<RepeatOp>(rules, repeat);
  addRule<LaunchOp>(rules, launch);
}

} // namespace mapsto
