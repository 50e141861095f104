//===- Sources.cpp - Rules: constants, parameters, sizes, counts ----------===//

#include "dialect/interpreter/Rules.h"

using namespace mlir;

namespace mapsto {

static LogicalResult constant(ConstantOp op, Call &call) {
  call.out() = tensorFrom(op.getValue());
  return success();
}

// Rows of a tensor as many as `shape` has, from `start` on.
static FailureOr<Tensor> rowsOf(const Tensor &x, int64_t start,
                                ArrayRef<int64_t> shape) {
  if (x.rank() == 0 || x.rank() != static_cast<int64_t>(shape.size()) ||
      ArrayRef(x.shape).drop_front() != shape.drop_front() || start < 0 ||
      start > x.shape[0] - shape[0])
    return failure();
  Tensor rows(x.elementType, shape);
  gatherInto(rows, x, stridesOf(x.shape), start * stridesOf(x.shape)[0]);
  return rows;
}

// [K, N] (or [N, K], transposed) into [ceil(N / panel), K, panel].
static void packPanels(Tensor &packed, const Tensor &matrix, bool transposed) {
  int64_t depth = packed.shape[1], panel = packed.shape[2];
  int64_t columns = matrix.shape[transposed ? 0 : 1];
  for (int64_t k = 0; k != depth; ++k)
    for (int64_t n = 0; n != columns; ++n) {
      int64_t from = transposed ? n * depth + k : k * columns + n;
      int64_t to = ((n / panel) * depth + k) * panel + n % panel;
      packed.f[to] = matrix.f[from];
    }
}

static LogicalResult weight(WeightOp op, Call &call) {
  FailureOr<Tensor> stored = call.run.weights(op.getName());
  if (failed(stored))
    return call.fail("there is no weight '" + op.getName() + "'");
  Type elementType = call.out().elementType;
  Shape shape = call.out().shape;
  if (op.getSourceShape())
    shape.assign(op.getSourceShape()->begin(), op.getSourceShape()->end());

  Tensor tensor = std::move(*stored);
  std::string found = str(tensor.shape);
  if (op.getRowStart()) {
    FailureOr<Tensor> rows = rowsOf(tensor, *op.getRowStart(), shape);
    if (failed(rows))
      return call.fail("weight '" + op.getName() + "' is " + found + ", " +
                       str(shape) + " from row " + Twine(*op.getRowStart()) +
                       " on is not within");
    tensor = std::move(*rows);
  }
  if (tensor.shape != shape)
    return call.fail("weight '" + op.getName() + "' is " + found +
                     ", the model needs " + str(shape));
  if (tensor.elementType != elementType)
    tensor = castTo(elementType, tensor);
  if (op.getPanel())
    packPanels(call.out(), tensor, op.getTransposed());
  else
    call.out() = std::move(tensor);
  return success();
}

static LogicalResult size(SizeOp op, Call &call) {
  FailureOr<int64_t> value = call.valueOf(*Dim::parse(op.getDim()));
  if (failed(value))
    return failure();
  call.out().i[0] = *value;
  return success();
}

static LogicalResult iota(IotaOp op, Call &call) {
  AxisView view(call.out().shape, op.getAxis());
  withElements(call.out(), [&](auto &elements) {
    for (int64_t o = 0; o != view.outer; ++o)
      for (int64_t a = 0; a != view.length; ++a)
        for (int64_t i = 0; i != view.inner; ++i)
          elements[view.at(o, a, i)] = a;
  });
  return success();
}

void addSourceRules(RuleTable &rules) {
  addRule<ConstantOp>(rules, constant);
  addRule<WeightOp>(rules, weight);
  addRule<SizeOp>(rules, size);
  addRule<IotaOp>(rules, iota);
}

} // namespace mapsto
