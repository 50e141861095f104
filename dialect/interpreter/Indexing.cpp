//===- Indexing.cpp - Rules: access by index ------------------------------===//

#include "dialect/interpreter/Rules.h"

using namespace mlir;

namespace mapsto {

// An index below zero counts from the end.
static FailureOr<int64_t> resolve(const Call &call, int64_t index,
                                  int64_t size) {
  int64_t resolved = index < 0 ? index + size : index;
  if (resolved < 0 || resolved >= size)
    return call.fail("index " + Twine(index) + " is out of range for size " +
                     Twine(size));
  return resolved;
}

static LogicalResult resolveAll(const Call &call, const Tensor &indices,
                                int64_t size, std::vector<int64_t> &resolved) {
  for (int64_t index : indices.i) {
    FailureOr<int64_t> at = resolve(call, index, size);
    if (failed(at))
      return failure();
    resolved.push_back(*at);
  }
  return success();
}

// Element `from` of x to element `to` of result.
static void copyElement(Tensor &result, int64_t to, const Tensor &x,
                        int64_t from) {
  if (x.isFloat())
    result.f[to] = x.f[from];
  else
    result.i[to] = x.i[from];
}

static LogicalResult take(TakeOp op, Call &call) {
  const Tensor &x = call.in(0), &indices = call.in(1);
  AxisView view(x.shape, op.getAxis());
  std::vector<int64_t> rows;
  if (failed(resolveAll(call, indices, view.length, rows)))
    return failure();
  int64_t to = 0;
  for (int64_t o = 0; o != view.outer; ++o)
    for (int64_t row : rows)
      for (int64_t i = 0; i != view.inner; ++i)
        copyElement(call.out(), to++, x, view.at(o, row, i));
  return success();
}

static LogicalResult takeAlong(TakeAlongOp op, Call &call) {
  const Tensor &x = call.in(0), &indices = call.in(1);
  AxisView view(x.shape, op.getAxis()), steps(indices.shape, op.getAxis());
  std::vector<int64_t> resolved;
  if (failed(resolveAll(call, indices, view.length, resolved)))
    return failure();
  for (int64_t o = 0; o != steps.outer; ++o)
    for (int64_t a = 0; a != steps.length; ++a)
      for (int64_t i = 0; i != steps.inner; ++i) {
        int64_t to = steps.at(o, a, i);
        copyElement(call.out(), to, x, view.at(o, resolved[to], i));
      }
  return success();
}

template <typename T> static T scatterInto(ScatterKind kind, T old, T update) {
  switch (kind) {
  case ScatterKind::set:
    return update;
  case ScatterKind::add:
    return combine(ReduceKind::sum, old, update);
  case ScatterKind::mul:
    return combine(ReduceKind::prod, old, update);
  case ScatterKind::max:
    return combine(ReduceKind::max, old, update);
  case ScatterKind::min:
    return combine(ReduceKind::min, old, update);
  }
  return update;
}

static LogicalResult scatter(ScatterOp op, Call &call) {
  const Tensor &x = call.in(0), &indices = call.in(1), &updates = call.in(2);
  AxisView view(x.shape, op.getAxis()), steps(indices.shape, op.getAxis());
  std::vector<int64_t> resolved;
  if (failed(resolveAll(call, indices, view.length, resolved)))
    return failure();
  Tensor &result = call.out();
  result = x;
  for (int64_t o = 0; o != steps.outer; ++o)
    for (int64_t a = 0; a != steps.length; ++a)
      for (int64_t i = 0; i != steps.inner; ++i) {
        int64_t from = steps.at(o, a, i), to = view.at(o, resolved[from], i);
        if (x.isFloat())
          result.f[to] =
              scatterInto(op.getKind(), result.f[to], updates.f[from]);
        else
          result.i[to] =
              scatterInto(op.getKind(), result.i[to], updates.i[from]);
      }
  return success();
}

static LogicalResult update(UpdateOp op, Call &call) {
  const Tensor &x = call.in(0), &values = call.in(1);
  AxisView view(x.shape, op.getAxis()), part(values.shape, op.getAxis());
  int64_t start = call.in(2).i[0];
  int64_t first = start < 0 ? start + view.length : start;
  if (first < 0 || first + part.length > view.length)
    return call.fail(Twine(part.length) + " elements from " + Twine(start) +
                     " on do not fit into size " + Twine(view.length));
  Tensor &result = call.out();
  result = x;
  for (int64_t o = 0; o != part.outer; ++o)
    for (int64_t a = 0; a != part.length; ++a)
      for (int64_t i = 0; i != part.inner; ++i)
        copyElement(result, view.at(o, first + a, i), values, part.at(o, a, i));
  return success();
}

void addIndexingRules(RuleTable &rules) {
  addRule<TakeOp>(rules, take);
  addRule<TakeAlongOp>(rules, takeAlong);
  addRule<ScatterOp>(rules, scatter);
  addRule<UpdateOp>(rules, update);
}

} // namespace mapsto
