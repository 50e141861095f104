//===- BuiltinsReduce.cpp - Reductions, softmax, running sums -------------===//

#include "frontends/language/Builtins.h"

using namespace mapsto;

template <ReduceKind kind> static Object reduction(BuiltinCall &c) {
  // min(a, b) and max(a, b) of two things choose between them.
  if ((kind == ReduceKind::min || kind == ReduceKind::max) && c[0].is<Dim>() &&
      c[1].is<Dim>())
    return kind == ReduceKind::min ? Dim::min(c[0].get<Dim>(), c[1].get<Dim>())
                                   : Dim::max(c[0].get<Dim>(), c[1].get<Dim>());
  if ((kind == ReduceKind::min || kind == ReduceKind::max) &&
      c[1].isTensorLike())
    return c.fail(std::string("`") + c.builtin.name + "` goes along axes",
                  std::string("`") +
                      (kind == ReduceKind::min ? "minimum" : "maximum") +
                      "(a, b)` chooses between two tensors");
  mlir::Value x = c.tensor(0);
  auto axes = c.axes(1, x);
  bool keep = c.flag(2);
  if (c.failed)
    return {};
  bool isLogic = kind == ReduceKind::any || kind == ReduceKind::all;
  mlir::Type type = elementTypeOf(x);
  if (isLogic && !isBool(type))
    return c.fail(std::string("`") + c.builtin.name +
                      "` takes truth values, and this is " +
                      c.e.describe(Object(x)),
                  "compare first: `x > 0`");
  if (!isLogic && isBool(type))
    x = c.t.cast(x, c.t.i64());
  return c.t.reduce(kind, x, axes, keep);
}

static Object mean(BuiltinCall &c) {
  mlir::Value x = c.floats(0);
  auto axes = c.axes(1, x);
  bool keep = c.flag(2);
  if (c.failed)
    return {};
  Dim count(1);
  for (int64_t axis : axes)
    count *= dimOf(x, axis);
  mlir::Value sum = c.t.reduce(ReduceKind::sum, x, axes, keep);
  return c.t.binary<DivOp>(sum, c.t.cast(c.t.size(count), elementTypeOf(x)));
}

static Object softmax(BuiltinCall &c) {
  mlir::Value x = c.floats(0);
  int64_t axis = c.axis(1, x);
  if (c.failed)
    return {};
  return mlir::Value(SoftmaxOp::create(c.t.builder, c.t.loc, x, axis));
}

template <ReduceKind kind> static Object argReduce(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t axis = c.axis(1, x);
  bool keep = c.flag(2);
  if (c.failed)
    return {};
  if (isBool(elementTypeOf(x)))
    x = c.t.cast(x, c.t.i64());
  mlir::Value result = ArgReduceOp::create(c.t.builder, c.t.loc, kind, x, axis);
  return keep ? c.t.unsqueeze(result, axis) : result;
}

template <ReduceKind kind> static Object cumulative(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t axis = c.axis(1, x);
  bool exclusive = c.flag(2), reverse = c.flag(3);
  if (c.failed)
    return {};
  if (isBool(elementTypeOf(x)))
    x = c.t.cast(x, c.t.i64());
  return mlir::Value(CumulativeOp::create(c.t.builder, c.t.loc, kind, x, axis,
                                          exclusive, reverse));
}

static Object topk(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t k = c.integer(1);
  int64_t axis = c.axis(2, x);
  bool smallest = c.flag(3);
  if (c.failed)
    return {};
  auto n = dimOf(x, axis).constant();
  if (k < 0 || (n && k > *n))
    return c.fail("`topk` of " + std::to_string(k) + " from an axis of " +
                  dimOf(x, axis).str());
  int64_t last = dimsOf(x).size() - 1;
  x = c.t.swapAxes(x, axis, last);
  auto op = TopKOp::create(c.t.builder, c.t.loc, x, k, smallest);
  return Object::tuple({Object(c.t.swapAxes(op.getValues(), axis, last)),
                        Object(c.t.swapAxes(op.getIndices(), axis, last))});
}

#define AXES "x, axis = None, keepdims = false"
#define SHAPES "[..] -> [..] without the axes (with sizes of 1 if keepdims)"
#define ALONG "x, axis = -1, exclusive = false, reverse = false"
llvm::ArrayRef<Builtin> mapsto::reduceBuiltins() {
  static const Builtin table[] = {
      {"sum", AXES, SHAPES, "Sum over an axis, a list of axes, or all.",
       "sum([[1, 2], [3, 4]], axis = 0) == [4, 6]", reduction<ReduceKind::sum>},
      {"prod", AXES, SHAPES, "Product.", "prod([1, 2, 3]) == 6",
       reduction<ReduceKind::prod>},
      {"mean", AXES, SHAPES, "Mean.",
       "mean([[1.0, 2.0], [3.0, 5.0]], axis = 1) == [1.5, 4.0]", mean},
      {"max", AXES, SHAPES,
       "The largest. Of two sizes, `max(a, b)` is the larger.",
       "max([1, 7, 3]) == 7", reduction<ReduceKind::max>},
      {"min", AXES, SHAPES,
       "The smallest. Of two sizes, `min(a, b)` is the smaller.",
       "min([4, 2, 3]) == 2", reduction<ReduceKind::min>},
      {"any", AXES, "bool[..] -> bool[..]", "Whether one is true.",
       "any([false, true]) == true", reduction<ReduceKind::any>},
      {"all", AXES, "bool[..] -> bool[..]", "Whether every one is true.",
       "all([false, true]) == false", reduction<ReduceKind::all>},
      {"softmax", "x, axis = -1", "[..] -> [..]",
       "exp(x) over its sum along an axis.",
       "softmax([0.0, 0.0]) == [0.5, 0.5]", softmax},
      {"argmax", "x, axis = -1, keepdims = false", "[.., N] -> i64[..]",
       "Index of the first largest along an axis.", "argmax([3, 9, 9]) == 1",
       argReduce<ReduceKind::max>},
      {"argmin", "x, axis = -1, keepdims = false", "[.., N] -> i64[..]",
       "Index of the first smallest along an axis.", "argmin([3, 1, 1]) == 1",
       argReduce<ReduceKind::min>},
      {"topk", "x, k, axis = -1, smallest = false",
       "[.., N] -> ([.., k], i64[.., k])",
       "The k largest (or smallest) along an axis, best first, and their "
       "indices.",
       "topk([3, 9, 5], 2) == ([9, 5], [1, 2])", topk},
      {"cumsum", ALONG, "[..] -> [..]", "Running sum along an axis.",
       "cumsum([1, 2, 3]) == [1, 3, 6]", cumulative<ReduceKind::sum>},
      {"cumprod", ALONG, "[..] -> [..]", "Running product along an axis.",
       "cumprod([1, 2, 3]) == [1, 2, 6]", cumulative<ReduceKind::prod>},
      {"cummax", ALONG, "[..] -> [..]", "Running maximum along an axis.",
       "cummax([1, 3, 2]) == [1, 3, 3]", cumulative<ReduceKind::max>},
      {"cummin", ALONG, "[..] -> [..]", "Running minimum along an axis.",
       "cummin([3, 1, 2]) == [3, 1, 1]", cumulative<ReduceKind::min>},
  };
  return table;
}
#undef AXES
#undef SHAPES
#undef ALONG
