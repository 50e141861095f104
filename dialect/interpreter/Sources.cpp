//===- Sources.cpp - Rules: constants, parameters, sizes, counts ----------===//

#include "dialect/Quantization.h"
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

// The largest magnitudes in the rows (or columns) of a matrix as their scales.
static Tensor scalesOf(const Tensor &matrix, int64_t channels) {
  Tensor scales(matrix.elementType, {matrix.shape[channels]});
  int64_t columns = matrix.shape[1];
  for (int64_t at = 0; at != matrix.size(); ++at) {
    double &largest = scales.f[channels == 0 ? at / columns : at % columns];
    largest = std::max(largest, std::abs(matrix.f[at]));
  }
  for (double &scale : scales.f)
    scale = quantizationScale(scale);
  return scales;
}

// A whole parameter as it is stored, or what its values are then, or the
// scales of its rows' (or columns') whole numbers.
static Tensor asStored(const Tensor &matrix, WeightOp op) {
  StorageAttr stored = op.getStoredAttr();
  Type type = elementTypeOf(op.getResult());
  bool asValues = type != stored.getType();
  if (!stored.getChannels()) {
    Tensor narrow = castTo(stored.getType(), matrix);
    return asValues ? castTo(type, narrow) : narrow;
  }
  Tensor scales = scalesOf(matrix, *stored.getChannels());
  if (op.getScales())
    return scales;
  Tensor result(type, matrix.shape);
  int64_t columns = matrix.shape[1];
  for (int64_t at = 0; at != matrix.size(); ++at) {
    double scale =
        scales.f[*stored.getChannels() == 0 ? at / columns : at % columns];
    int64_t whole = quantize(matrix.f[at], static_cast<float>(scale));
    if (asValues)
      result.f[at] = whole * scale;
    else
      result.i[at] = whole;
  }
  return result;
}

// [K, N] (or [N, K], transposed) into [ceil(N / panel), K, panel]. More axes
// than two are the first by the others.
static void packPanels(Tensor &packed, const Tensor &matrix, bool transposed) {
  int64_t depth = packed.shape[1], panel = packed.shape[2];
  llvm::ArrayRef<int64_t> shape = matrix.shape;
  int64_t columns =
      transposed ? shape[0] : llvm::product_of(shape.drop_front());
  for (int64_t k = 0; k != depth; ++k)
    for (int64_t n = 0; n != columns; ++n) {
      int64_t from = transposed ? n * depth + k : k * columns + n;
      int64_t to = ((n / panel) * depth + k) * panel + n % panel;
      if (matrix.isFloat())
        packed.f[to] = matrix.f[from];
      else
        packed.i[to] = matrix.i[from];
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
  if (op.getStored()) {
    if (tensor.rank() != 2)
      return call.fail("weight '" + op.getName() + "' is " + found +
                       ", the model needs a matrix");
    if (!tensor.isFloat())
      tensor = castTo(Float32Type::get(op.getContext()), tensor);
    tensor = asStored(tensor, op);
  }
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
