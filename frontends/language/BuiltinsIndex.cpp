//===- BuiltinsIndex.cpp - Reading and writing at indices -----------------===//

#include "frontends/language/Builtins.h"

using namespace mapsto;

static Object take(BuiltinCall &c) {
  mlir::Value x = c.tensor(0), indices = c.indices(1);
  int64_t axis = c.axis(2, x);
  if (c.failed)
    return {};
  return mlir::Value(TakeOp::create(c.t.builder, c.t.loc, x, indices, axis));
}

/// Whether `indices` has x's sizes but along `axis`.
static bool fitsAlong(BuiltinCall &c, mlir::Value x, mlir::Value indices,
                      int64_t axis) {
  Dims a = dimsOf(x), b = dimsOf(indices);
  bool fits = a.size() == b.size();
  for (size_t i = 0; fits && i < a.size(); ++i)
    fits = int64_t(i) == axis || a[i] == b[i];
  if (!fits)
    c.fail(std::string("`") + c.builtin.name + "` of " +
               c.e.describe(Object(x)) + " with indices " +
               c.e.describe(Object(indices)) + " along axis " +
               std::to_string(axis) + ": the other sizes should agree",
           "`take(x, indices, axis)` picks whole slices");
  return fits;
}

static Object gather(BuiltinCall &c) {
  mlir::Value x = c.tensor(0), indices = c.indices(1);
  int64_t axis = c.axis(2, x);
  if (c.failed || !fitsAlong(c, x, indices, axis))
    return {};
  return mlir::Value(
      TakeAlongOp::create(c.t.builder, c.t.loc, x, indices, axis));
}

static Object scatter(BuiltinCall &c) {
  mlir::Value x = c.tensor(0), indices = c.indices(1);
  int64_t axis = c.axis(3, x);
  std::string kind = c.text(4);
  if (c.failed || !fitsAlong(c, x, indices, axis))
    return {};
  mlir::Value updates = c.tensor(2, elementTypeOf(x));
  if (!updates)
    return {};
  auto fit = broadcastShapes(dimsOf(updates), dimsOf(indices));
  if (!fit || *fit != dimsOf(indices))
    return c.fail("`scatter` of updates " + c.e.describe(Object(updates)) +
                  " at indices " + c.e.describe(Object(indices)));
  auto parsed = symbolizeScatterKind(kind);
  if (!parsed)
    return c.fail("there is no way \"" + kind + "\" to scatter",
                  "it is \"set\", \"add\", \"mul\", \"max\" or \"min\"");
  updates = c.t.broadcast(c.t.cast(updates, elementTypeOf(x)), dimsOf(indices));
  return mlir::Value(ScatterOp::create(c.t.builder, c.t.loc, *parsed, x,
                                       indices, updates, axis));
}

static Object update(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t axis = c.axis(3, x);
  mlir::Value start = c.indices(2);
  mlir::Value values = x ? c.tensor(1, elementTypeOf(x)) : mlir::Value();
  if (c.failed || !values)
    return {};
  Dims a = dimsOf(x), b = dimsOf(values);
  bool fits = a.size() == b.size() && dimsOf(start).empty();
  for (size_t i = 0; fits && i < a.size(); ++i)
    fits = int64_t(i) == axis || a[i] == b[i];
  if (!fits)
    return c.fail("`update` of " + c.e.describe(Object(x)) + " by " +
                  c.e.describe(Object(values)) + " along axis " +
                  std::to_string(axis) +
                  ": the other sizes should agree, and the start be a scalar");
  return mlir::Value(UpdateOp::create(c.t.builder, c.t.loc, x,
                                      c.t.cast(values, elementTypeOf(x)),
                                      c.t.cast(start, c.t.i64()), axis));
}

static Object oneHot(BuiltinCall &c) {
  mlir::Value x = c.indices(0);
  Dim count = c.size(1);
  mlir::Type type = c.type(2);
  if (c.failed)
    return {};
  mlir::Value classes = c.t.cast(c.t.iota({count}, 0), elementTypeOf(x));
  mlir::Value wide = c.t.unsqueeze(x, dimsOf(x).size());
  return c.t.cast(c.t.compare(ComparePredicate::eq, wide, classes), type);
}

llvm::ArrayRef<Builtin> mapsto::indexBuiltins() {
  static const Builtin table[] = {
      {"take", "x, indices, axis = 0", "[.., N, ..], i64[I..] -> [.., I.., ..]",
       "x's slices at the indices along an axis; also written `x[indices]`. "
       "Below 0 counts from the end; out of range is an error of the run.",
       "take([5, 6, 7], [2, 0]) == [7, 5]", take},
      {"gather", "x, indices, axis = -1",
       "[.., N, ..], i64[.., I, ..] -> [.., I, ..]",
       "x's element at the index of each position, along an axis.",
       "gather([[5, 6], [7, 8]], [[1], [0]], axis = 1) == [[6], [7]]", gather},
      {"scatter", "x, indices, updates, axis = -1, reduce = \"set\"",
       "[.., N, ..], i64[.., I, ..], [.., I, ..] -> [.., N, ..]",
       "x with updates written (or added: \"add\", \"mul\", \"max\", \"min\") "
       "at the index of each position.",
       "scatter([0, 0, 0], [2, 0], [7, 8]) == [8, 0, 7]", scatter},
      {"update", "x, values, start, axis = 0",
       "[.., N, ..], [.., M, ..], i64[] -> [.., N, ..]",
       "x with values written over it from `start` on; also written "
       "`x[start:start+n] = values`.",
       "update([0, 0, 0], [7, 8], 1) == [0, 7, 8]", update},
      {"one_hot", "x, count, dtype = f32", "i64[..] -> [.., count]",
       "1 at each index, 0 elsewhere.",
       "one_hot([1, 0], 2) == [[0.0, 1.0], [1.0, 0.0]]", oneHot},
  };
  return table;
}
