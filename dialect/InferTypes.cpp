//===- InferTypes.cpp - Result types from operands ------------------------===//
//
// One function an op: it checks that the operands fit each other and gives the
// types of the results. Verification holds the written types to these.
//
//===----------------------------------------------------------------------===//

#include "dialect/InferTypes.h"
#include "dialect/MapstoDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace mapsto {
namespace {

using Loc = std::optional<Location>;
using Types = SmallVectorImpl<Type>;

template <typename... Parts> LogicalResult refuse(Loc loc, Parts &&...parts) {
  if (loc) {
    InFlightDiagnostic error = emitError(*loc);
    (error << ... << std::forward<Parts>(parts));
  }
  return failure();
}

Type elementOf(Value value) { return elementTypeOf(value); }
bool isBool(Type type) { return type.isInteger(1); }
Type i64Of(Value value) { return IntegerType::get(value.getContext(), 64); }

/// An axis attribute within [0, rank).
LogicalResult checkAxis(Loc loc, StringRef op, int64_t axis, int64_t rank) {
  if (axis >= 0 && axis < rank)
    return success();
  return refuse(loc, op, ": axis ", axis, " is outside a tensor of rank ",
                rank);
}

LogicalResult checkRank(Loc loc, StringRef op, StringRef what, Value value,
                        int64_t rank) {
  Dims dims = dimsOf(value);
  if (static_cast<int64_t>(dims.size()) == rank)
    return success();
  return refuse(loc, op, ": ", what, " must have ", rank,
                rank == 1 ? " axis" : " axes", ", found ", str(dims));
}

LogicalResult checkSameElement(Loc loc, StringRef op, StringRef whatA, Value a,
                               StringRef whatB, Value b) {
  if (elementOf(a) == elementOf(b))
    return success();
  return refuse(loc, op, ": ", whatA, " is of ", elementOf(a), " but ", whatB,
                " of ", elementOf(b));
}

LogicalResult checkSize(Loc loc, StringRef op, const Twine &what,
                        const Dim &found, const Dim &expected) {
  if (found == expected)
    return success();
  return refuse(loc, op, ": ", what.str(), " is ", found.str(), ", expected ",
                expected.str());
}

/// All axes but one agree.
LogicalResult checkOtherAxes(Loc loc, StringRef op, StringRef whatA,
                             const Dims &a, StringRef whatB, const Dims &b,
                             int64_t except) {
  bool agree = a.size() == b.size();
  for (int64_t i = 0, e = a.size(); agree && i != e; ++i)
    agree = i == except || a[i] == b[i];
  if (agree)
    return success();
  return refuse(loc, op, ": ", whatA, " ", str(a), " and ", whatB, " ", str(b),
                " must agree on all axes but ", except);
}

} // namespace

//===----------------------------------------------------------------------===//
// Sources and pointwise
//===----------------------------------------------------------------------===//

static LogicalResult infer(MLIRContext *context, Loc loc,
                           ConstantOp::Adaptor op, Types &types) {
  types.push_back(op.getValue().getType());
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, IsNanOp::Adaptor op,
                           Types &types) {
  types.push_back(tensorOf(dimsOf(op.getX()), IntegerType::get(context, 1)));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, CompareOp::Adaptor op,
                           Types &types) {
  types.push_back(tensorOf(dimsOf(op.getLhs()), IntegerType::get(context, 1)));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, SelectOp::Adaptor op,
                           Types &types) {
  types.push_back(op.getX().getType());
  return success();
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

static LogicalResult infer(MLIRContext *context, Loc loc,
                           TransposeOp::Adaptor op, Types &types) {
  Dims from = dimsOf(op.getX()), to;
  SmallVector<bool> seen(from.size());
  for (int64_t axis : op.getPermutation()) {
    if (axis < 0 || axis >= static_cast<int64_t>(from.size()) || seen[axis])
      return refuse(loc, "transpose: permutation must name each of ",
                    from.size(), " axes once");
    seen[axis] = true;
    to.push_back(from[axis]);
  }
  if (to.size() != from.size())
    return refuse(loc, "transpose: permutation names ", to.size(),
                  " axes of a tensor that has ", from.size());
  types.push_back(tensorOf(to, elementOf(op.getX())));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, SliceOp::Adaptor op,
                           Types &types) {
  Dims from = dimsOf(op.getX());
  Dims starts = op.getStarts().getDims(), sizes = op.getSizes().getDims();
  ArrayRef<int64_t> steps = op.getSteps();
  if (starts.size() != from.size() || sizes.size() != from.size() ||
      steps.size() != from.size())
    return refuse(loc, "slice: a tensor of rank ", from.size(),
                  " needs as many starts, sizes and steps; found ",
                  starts.size(), ", ", sizes.size(), " and ", steps.size());
  for (auto [axis, dim] : llvm::enumerate(from)) {
    if (steps[axis] < 1)
      return refuse(loc, "slice: step of axis ", axis, " is ", steps[axis],
                    ", must be at least 1");
    std::optional<int64_t> start = starts[axis].constant();
    std::optional<int64_t> size = sizes[axis].constant();
    if ((start && *start < 0) || (size && *size < 0))
      return refuse(loc, "slice: axis ", axis,
                    " has a negative start or size: ", starts[axis].str(), ", ",
                    sizes[axis].str());
    // Where the overrun is a number, it can be judged here.
    Dim end = starts[axis] + (sizes[axis] - Dim(1)) * Dim(steps[axis]) + Dim(1);
    std::optional<int64_t> overrun = (end - dim).constant();
    if (overrun && *overrun > 0 && size != 0)
      return refuse(loc, "slice: axis ", axis, " of size ", dim.str(),
                    " is read up to ", end.str());
  }
  types.push_back(tensorOf(sizes, elementOf(op.getX())));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, FlipOp::Adaptor op,
                           Types &types) {
  int64_t rank = dimsOf(op.getX()).size();
  for (int64_t axis : op.getAxes())
    if (failed(checkAxis(loc, "flip", axis, rank)))
      return failure();
  types.push_back(op.getX().getType());
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, ConcatOp::Adaptor op,
                           Types &types) {
  if (op.getParts().empty())
    return refuse(loc, "concat: needs at least one part");
  Value first = op.getParts().front();
  Dims dims = dimsOf(first);
  int64_t axis = op.getAxis();
  if (failed(checkAxis(loc, "concat", axis, dims.size())))
    return failure();
  Dims total = dims;
  for (Value part : op.getParts().drop_front()) {
    if (failed(checkSameElement(loc, "concat", "the first part", first,
                                "another", part)) ||
        failed(checkOtherAxes(loc, "concat", "part", dims, "part", dimsOf(part),
                              axis)))
      return failure();
    total[axis] += dimOf(part, axis);
  }
  types.push_back(tensorOf(total, elementOf(first)));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, PadOp::Adaptor op,
                           Types &types) {
  Dims dims = dimsOf(op.getX());
  Dims low = op.getLow().getDims(), high = op.getHigh().getDims();
  if (low.size() != dims.size() || high.size() != dims.size())
    return refuse(loc, "pad: a tensor of rank ", dims.size(),
                  " needs as many low and high sizes; found ", low.size(),
                  " and ", high.size());
  if (failed(checkRank(loc, "pad", "the value", op.getValue(), 0)) ||
      failed(checkSameElement(loc, "pad", "x", op.getX(), "the value",
                              op.getValue())))
    return failure();
  for (size_t axis = 0; axis != dims.size(); ++axis) {
    if (low[axis].constant().value_or(0) < 0 ||
        high[axis].constant().value_or(0) < 0)
      return refuse(loc, "pad: axis ", axis, " is padded by a negative size");
    dims[axis] += low[axis] + high[axis];
  }
  types.push_back(tensorOf(dims, elementOf(op.getX())));
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

// any/all are of booleans, everything else is of numbers.
static LogicalResult checkKind(Loc loc, StringRef op, ReduceKind kind,
                               Value x) {
  bool logical = kind == ReduceKind::any || kind == ReduceKind::all;
  if (logical == isBool(elementOf(x)))
    return success();
  return refuse(loc, op, ": ", stringifyReduceKind(kind), " of ", elementOf(x),
                "; ", logical ? "it needs booleans" : "it needs numbers");
}

static LogicalResult infer(MLIRContext *context, Loc loc, ReduceOp::Adaptor op,
                           Types &types) {
  Dims from = dimsOf(op.getX()), to;
  if (failed(checkKind(loc, "reduce", op.getKind(), op.getX())))
    return failure();
  int64_t previous = -1;
  for (int64_t axis : op.getAxes()) {
    if (failed(checkAxis(loc, "reduce", axis, from.size())))
      return failure();
    if (axis <= previous)
      return refuse(loc, "reduce: axes must be in increasing order");
    previous = axis;
  }
  for (auto [axis, dim] : llvm::enumerate(from))
    if (!llvm::is_contained(op.getAxes(), static_cast<int64_t>(axis)))
      to.push_back(dim);
  types.push_back(tensorOf(to, elementOf(op.getX())));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc,
                           ArgReduceOp::Adaptor op, Types &types) {
  Dims dims = dimsOf(op.getX());
  int64_t axis = op.getAxis();
  if (op.getKind() != ReduceKind::max && op.getKind() != ReduceKind::min)
    return refuse(loc, "arg_reduce: kind must be max or min, found ",
                  stringifyReduceKind(op.getKind()));
  if (failed(checkAxis(loc, "arg_reduce", axis, dims.size())))
    return failure();
  dims.erase(dims.begin() + axis);
  types.push_back(tensorOf(dims, i64Of(op.getX())));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, SoftmaxOp::Adaptor op,
                           Types &types) {
  if (failed(checkAxis(loc, "softmax", op.getAxis(), dimsOf(op.getX()).size())))
    return failure();
  types.push_back(op.getX().getType());
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc,
                           CumulativeOp::Adaptor op, Types &types) {
  if (failed(checkKind(loc, "cumulative", op.getKind(), op.getX())) ||
      failed(
          checkAxis(loc, "cumulative", op.getAxis(), dimsOf(op.getX()).size())))
    return failure();
  types.push_back(op.getX().getType());
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, TopKOp::Adaptor op,
                           Types &types) {
  Dims dims = dimsOf(op.getX());
  int64_t k = op.getK();
  if (dims.empty())
    return refuse(loc, "topk: x must have at least one axis");
  std::optional<int64_t> size = dims.back().constant();
  if (k < 0 || (size && k > *size))
    return refuse(loc, "topk: k is ", k, " of ", dims.back().str(),
                  " elements");
  dims.back() = Dim(k);
  types.push_back(tensorOf(dims, elementOf(op.getX())));
  types.push_back(tensorOf(dims, i64Of(op.getX())));
  return success();
}

//===----------------------------------------------------------------------===//
// Indexed access
//===----------------------------------------------------------------------===//

static LogicalResult infer(MLIRContext *context, Loc loc, TakeOp::Adaptor op,
                           Types &types) {
  Dims x = dimsOf(op.getX()), indices = dimsOf(op.getIndices());
  int64_t axis = op.getAxis();
  if (failed(checkAxis(loc, "take", axis, x.size())))
    return failure();
  Dims result(x.begin(), x.begin() + axis);
  result.append(indices.begin(), indices.end());
  result.append(x.begin() + axis + 1, x.end());
  types.push_back(tensorOf(result, elementOf(op.getX())));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc,
                           TakeAlongOp::Adaptor op, Types &types) {
  Dims x = dimsOf(op.getX()), indices = dimsOf(op.getIndices());
  if (failed(checkAxis(loc, "take_along", op.getAxis(), x.size())) ||
      failed(checkOtherAxes(loc, "take_along", "x", x, "indices", indices,
                            op.getAxis())))
    return failure();
  types.push_back(tensorOf(indices, elementOf(op.getX())));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, ScatterOp::Adaptor op,
                           Types &types) {
  Dims x = dimsOf(op.getX()), indices = dimsOf(op.getIndices());
  Dims updates = dimsOf(op.getUpdates());
  if (failed(checkAxis(loc, "scatter", op.getAxis(), x.size())) ||
      failed(checkOtherAxes(loc, "scatter", "x", x, "indices", indices,
                            op.getAxis())) ||
      failed(checkSameElement(loc, "scatter", "x", op.getX(), "updates",
                              op.getUpdates())))
    return failure();
  if (indices != updates)
    return refuse(loc, "scatter: indices ", str(indices), " and updates ",
                  str(updates), " must have one shape");
  types.push_back(op.getX().getType());
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, UpdateOp::Adaptor op,
                           Types &types) {
  Dims x = dimsOf(op.getX()), values = dimsOf(op.getValues());
  int64_t axis = op.getAxis();
  if (failed(checkAxis(loc, "update", axis, x.size())) ||
      failed(checkOtherAxes(loc, "update", "x", x, "values", values, axis)) ||
      failed(checkSameElement(loc, "update", "x", op.getX(), "values",
                              op.getValues())))
    return failure();
  std::optional<int64_t> overrun = (values[axis] - x[axis]).constant();
  if (overrun && *overrun > 0)
    return refuse(loc, "update: values of size ", values[axis].str(),
                  " do not fit into ", x[axis].str(), " on axis ", axis);
  types.push_back(op.getX().getType());
  return success();
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

static LogicalResult infer(MLIRContext *context, Loc loc, MatmulOp::Adaptor op,
                           Types &types) {
  Dims lhs = dimsOf(op.getLhs()), rhs = dimsOf(op.getRhs());
  if (lhs.size() < 2 || rhs.size() < 2)
    return refuse(loc, "matmul: both sides need at least two axes, found ",
                  str(lhs), " and ", str(rhs));
  if (failed(checkSameElement(loc, "matmul", "the left side", op.getLhs(),
                              "the right", op.getRhs())))
    return failure();
  if (isBool(elementOf(op.getLhs())))
    return refuse(loc, "matmul: booleans cannot be multiplied");
  Dim rows = rhs[rhs.size() - 2], columns = rhs.back();
  if (op.getTransposed())
    std::swap(rows, columns);
  if (lhs.back() != rows)
    return refuse(loc, "matmul: ", str(lhs), " by ", str(rhs),
                  op.getTransposed() ? " transposed" : "", ": the inner sizes ",
                  lhs.back().str(), " and ", rows.str(), " differ");
  ArrayRef<Dim> leftBatch = ArrayRef(lhs).drop_back(2);
  ArrayRef<Dim> rightBatch = ArrayRef(rhs).drop_back(2);
  if (!rightBatch.empty() && leftBatch != rightBatch)
    return refuse(loc, "matmul: the batch axes ", str(leftBatch), " and ",
                  str(rightBatch), " differ");
  lhs.back() = columns;
  types.push_back(tensorOf(lhs, elementOf(op.getLhs())));
  return success();
}

// A product of f32 widens a right side of fewer bits.
static LogicalResult checkPackedElement(Loc loc, Value lhs, Value rhs) {
  Type narrow = elementOf(rhs);
  if (elementOf(lhs).isF32() &&
      (narrow.isF16() || narrow.isBF16() || narrow.isInteger(8)))
    return success();
  return checkSameElement(loc, "packed_matmul", "the left side", lhs,
                          "the packed side", rhs);
}

static LogicalResult infer(MLIRContext *context, Loc loc,
                           PackedMatmulOp::Adaptor op, Types &types) {
  Dims lhs = dimsOf(op.getLhs()), rhs = dimsOf(op.getRhs());
  int64_t columns = op.getColumns();
  if (lhs.size() < 2)
    return refuse(loc,
                  "packed_matmul: the left side needs at least two "
                  "axes, found ",
                  str(lhs));
  if (failed(
          checkRank(loc, "packed_matmul", "the packed side", op.getRhs(), 3)) ||
      failed(checkPackedElement(loc, op.getLhs(), op.getRhs())) ||
      failed(checkSize(loc, "packed_matmul", "the depth of the packed side",
                       rhs[1], lhs.back())))
    return failure();
  std::optional<int64_t> panel = rhs[2].constant();
  if (!panel || *panel < 1 || columns < 0)
    return refuse(loc, "packed_matmul: the panel's width must be a positive "
                       "constant and columns not negative");
  if (failed(checkSize(loc, "packed_matmul", "the number of panels", rhs[0],
                       Dim::ceilDiv(Dim(columns), Dim(*panel)))))
    return failure();
  lhs.back() = Dim(columns);
  types.push_back(tensorOf(lhs, elementOf(op.getLhs())));
  return success();
}

// What both convolutions ask of their attributes.
static LogicalResult checkConvolution(Loc loc, StringRef op, Value x,
                                      Value weight, int64_t stride,
                                      int64_t dilation, int64_t groups,
                                      int64_t smallestPad) {
  if (failed(checkRank(loc, op, "x", x, 3)) ||
      failed(checkRank(loc, op, "the weight", weight, 3)) ||
      failed(checkSameElement(loc, op, "x", x, "the weight", weight)))
    return failure();
  if (stride < 1 || dilation < 1 || groups < 1)
    return refuse(loc, op, ": stride, dilation and groups must be at least 1");
  if (smallestPad < 0)
    return refuse(loc, op, ": padding must not be negative");
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, Conv1dOp::Adaptor op,
                           Types &types) {
  int64_t stride = op.getStride(), dilation = op.getDilation();
  int64_t low = op.getPadLow(), high = op.getPadHigh();
  if (failed(checkConvolution(loc, "conv1d", op.getX(), op.getWeight(), stride,
                              dilation, op.getGroups(), std::min(low, high))))
    return failure();
  Dims x = dimsOf(op.getX()), weight = dimsOf(op.getWeight());
  Dim groups(op.getGroups());
  if (failed(checkSize(loc, "conv1d", "the number of channels", x[1],
                       weight[1] * groups)))
    return failure();
  if (Dim::mod(weight[0], groups) != Dim(0))
    return refuse(loc, "conv1d: ", weight[0].str(),
                  " output channels do not divide into ", groups.str(),
                  " groups");
  Dim reach = (weight[2] - Dim(1)) * Dim(dilation) + Dim(1);
  Dim time =
      Dim::floorDiv(x[2] + Dim(low) + Dim(high) - reach, Dim(stride)) + Dim(1);
  if (time.constant().value_or(0) < 0)
    return refuse(loc, "conv1d: the kernel reaches over ", reach.str(),
                  " steps, x has ", x[2].str(), " with its padding ",
                  low + high);
  types.push_back(tensorOf({x[0], weight[0], time}, elementOf(op.getX())));
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc,
                           ConvTranspose1dOp::Adaptor op, Types &types) {
  int64_t stride = op.getStride(), dilation = op.getDilation();
  int64_t padding = op.getPadding(), extra = op.getOutputPadding();
  if (failed(checkConvolution(loc, "conv_transpose1d", op.getX(),
                              op.getWeight(), stride, dilation, op.getGroups(),
                              std::min(padding, extra))))
    return failure();
  Dims x = dimsOf(op.getX()), weight = dimsOf(op.getWeight());
  Dim groups(op.getGroups());
  if (failed(checkSize(loc, "conv_transpose1d", "the number of channels", x[1],
                       weight[0])))
    return failure();
  if (Dim::mod(weight[0], groups) != Dim(0))
    return refuse(loc, "conv_transpose1d: ", weight[0].str(),
                  " input channels do not divide into ", groups.str(),
                  " groups");
  Dim time = (x[2] - Dim(1)) * Dim(stride) - Dim(2 * padding) +
             (weight[2] - Dim(1)) * Dim(dilation) + Dim(extra) + Dim(1);
  if (time.constant().value_or(0) < 0)
    return refuse(loc, "conv_transpose1d: the result would have ", time.str(),
                  " steps");
  types.push_back(
      tensorOf({x[0], weight[1] * groups, time}, elementOf(op.getX())));
  return success();
}

//===----------------------------------------------------------------------===//
// Recurrences
//===----------------------------------------------------------------------===//

// Checks one layer with `gates` gates and gives [B, H]; `out` gets the shape
// of the output sequence.
template <typename Adaptor>
static FailureOr<Dims> checkRecurrence(Loc loc, StringRef name, Adaptor op,
                                       int64_t gates, Dims &out) {
  int64_t axis = op.getAxis();
  if (axis != 0 && axis != 1)
    return refuse(loc, name, ": time must be axis 0 or 1, found ", axis);
  if (failed(checkRank(loc, name, "x", op.getX(), 3)) ||
      failed(checkRank(loc, name, "w_ih", op.getWIh(), 2)) ||
      failed(checkRank(loc, name, "w_hh", op.getWHh(), 2)))
    return failure();
  if (!isa<FloatType>(elementOf(op.getX())))
    return refuse(loc, name, ": x must be of floats");
  Dims x = dimsOf(op.getX()), wIh = dimsOf(op.getWIh());
  Dims wHh = dimsOf(op.getWHh());
  Dim batch = x[1 - axis], hidden = wHh[1], rows = Dim(gates) * hidden;
  if (failed(checkSize(loc, name, "w_ih's second size", wIh[1], x[2])) ||
      failed(checkSize(loc, name, "w_ih's first size", wIh[0], rows)) ||
      failed(checkSize(loc, name, "w_hh's first size", wHh[0], rows)))
    return failure();

  Dims state{batch, hidden};
  auto checkShape = [&](StringRef what, Value value,
                        ArrayRef<Dim> expected) -> LogicalResult {
    if (!value)
      return success();
    if (failed(checkSameElement(loc, name, "x", op.getX(), what, value)))
      return failure();
    if (ArrayRef(dimsOf(value)) == expected)
      return success();
    return refuse(loc, name, ": ", what, " is ", str(dimsOf(value)),
                  ", expected ", str(expected));
  };
  if (failed(checkShape("w_ih", op.getWIh(), wIh)) ||
      failed(checkShape("w_hh", op.getWHh(), wHh)) ||
      failed(checkShape("bias_ih", op.getBIh(), {rows})) ||
      failed(checkShape("bias_hh", op.getBHh(), {rows})) ||
      failed(checkShape("h0", op.getH0(), state)))
    return failure();
  if constexpr (requires { op.getC0(); })
    if (failed(checkShape("c0", op.getC0(), state)))
      return failure();
  if (Value lengths = op.getLengths();
      lengths && dimsOf(lengths) != Dims{batch})
    return refuse(loc, name, ": lengths is ", str(dimsOf(lengths)),
                  ", expected ", str(Dims{batch}));
  out = {x[0], x[1], hidden};
  return state;
}

static LogicalResult infer(MLIRContext *context, Loc loc, RnnOp::Adaptor op,
                           Types &types) {
  Dims out;
  FailureOr<Dims> state = checkRecurrence(loc, "rnn", op, 1, out);
  if (failed(state))
    return failure();
  Type element = elementOf(op.getX());
  types.append({tensorOf(out, element), tensorOf(*state, element)});
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, LstmOp::Adaptor op,
                           Types &types) {
  Dims out;
  FailureOr<Dims> state = checkRecurrence(loc, "lstm", op, 4, out);
  if (failed(state))
    return failure();
  Type element = elementOf(op.getX());
  Type stateType = tensorOf(*state, element);
  types.append({tensorOf(out, element), stateType, stateType});
  return success();
}

static LogicalResult infer(MLIRContext *context, Loc loc, GruOp::Adaptor op,
                           Types &types) {
  Dims out;
  FailureOr<Dims> state = checkRecurrence(loc, "gru", op, 3, out);
  if (failed(state))
    return failure();
  Type element = elementOf(op.getX());
  types.append({tensorOf(out, element), tensorOf(*state, element)});
  return success();
}

//===----------------------------------------------------------------------===//
// Stand-ins
//===----------------------------------------------------------------------===//

static thread_local bool standsIn = false;

StandInTypes::StandInTypes() : outer(std::exchange(standsIn, true)) {}
StandInTypes::~StandInTypes() { standsIn = outer; }

template <typename Op>
static LogicalResult inferOrStandIn(MLIRContext *context, Loc loc,
                                    typename Op::Adaptor op, Types &types) {
  if (succeeded(infer(context, loc, op, types)))
    return success();
  if (!standsIn || op.getOperands().empty())
    return failure();
  size_t count = Op::template hasTrait<OpTrait::OneResult>()           ? 1
                 : Op::template hasTrait<OpTrait::NResults<2>::Impl>() ? 2
                                                                       : 3;
  types.assign(count, op.getOperands().front().getType());
  return success();
}

#define MAPSTO_INFER(Op)                                                       \
  LogicalResult Op::inferReturnTypes(MLIRContext *context, Loc loc,            \
                                     Adaptor op, Types &types) {               \
    return inferOrStandIn<Op>(context, loc, op, types);                        \
  }
MAPSTO_INFER(ConstantOp)
MAPSTO_INFER(IsNanOp)
MAPSTO_INFER(CompareOp)
MAPSTO_INFER(SelectOp)
MAPSTO_INFER(TransposeOp)
MAPSTO_INFER(SliceOp)
MAPSTO_INFER(FlipOp)
MAPSTO_INFER(ConcatOp)
MAPSTO_INFER(PadOp)
MAPSTO_INFER(ReduceOp)
MAPSTO_INFER(ArgReduceOp)
MAPSTO_INFER(SoftmaxOp)
MAPSTO_INFER(CumulativeOp)
MAPSTO_INFER(TopKOp)
MAPSTO_INFER(TakeOp)
MAPSTO_INFER(TakeAlongOp)
MAPSTO_INFER(ScatterOp)
MAPSTO_INFER(UpdateOp)
MAPSTO_INFER(MatmulOp)
MAPSTO_INFER(PackedMatmulOp)
MAPSTO_INFER(Conv1dOp)
MAPSTO_INFER(ConvTranspose1dOp)
MAPSTO_INFER(RnnOp)
MAPSTO_INFER(LstmOp)
MAPSTO_INFER(GruOp)
#undef MAPSTO_INFER

} // namespace mapsto
