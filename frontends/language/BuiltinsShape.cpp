//===- BuiltinsShape.cpp - Shapes, joins, new tensors ---------------------===//

#include "frontends/language/Builtins.h"

using namespace mapsto;

static Object reshape(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  Dims dims = c.dims(1);
  if (c.failed)
    return {};
  // One -1 takes what is left.
  Dims have = dimsOf(x);
  Dim total = numElements(have), known(1);
  int unknown = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] != Dim(-1)) {
      known *= dims[i];
    } else if (unknown >= 0) {
      return c.fail("only one size of `reshape` can be -1");
    } else {
      unknown = i;
    }
  }
  if (unknown >= 0) {
    auto rest = Dim::exactDiv(total, known);
    if (!rest)
      return c.fail("`reshape` of " + c.e.describe(Object(x)) + ": " +
                    total.str() + " elements do not divide by " + known.str());
    dims[unknown] = *rest;
  }
  if (numElements(dims) != total)
    return c.fail("`reshape` of " + c.e.describe(Object(x)) + " to " +
                  str(dims) + ": " + total.str() + " elements are not " +
                  numElements(dims).str());
  return c.t.reshape(x, dims);
}

static Object transpose(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  int64_t rank = dimsOf(x).size();
  llvm::SmallVector<int64_t> order;
  if (!c.given(1)) {
    for (int64_t i = rank - 1; i >= 0; --i)
      order.push_back(i);
  } else {
    auto *axes = c[1].elements();
    if (!axes || int64_t(axes->size()) != rank)
      return c.fail("an order of " + std::to_string(rank) +
                    " axes is wanted, such as "
                    "[1, 0], and this is " +
                    c.e.describe(c[1]));
    for (const Object &object : *axes) {
      auto axis = c.e.toAxis(object, rank, c.spans[1]);
      if (!axis)
        return {};
      if (llvm::is_contained(order, *axis))
        return c.fail("axis " + std::to_string(*axis) + " is named twice");
      order.push_back(*axis);
    }
  }
  return c.t.transpose(x, order);
}

static Object swapAxes(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t a = c.axis(1, x), b = c.axis(2, x);
  return c.failed ? Object() : Object(c.t.swapAxes(x, a, b));
}

static Object squeeze(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t axis = c.axis(1, x);
  if (c.failed)
    return {};
  if (dimOf(x, axis) != Dim(1))
    return c.fail("`squeeze` of " + c.e.describe(Object(x)) + ": axis " +
                  std::to_string(axis) + " has size " + dimOf(x, axis).str() +
                  ", not 1");
  return c.t.squeeze(x, axis);
}

static Object unsqueeze(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  auto axis = c.e.toAxis(c[1], dimsOf(x).size() + 1, c.spans[1]);
  return axis ? Object(c.t.unsqueeze(x, *axis)) : Object();
}

static Object expand(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  Dims dims = c.dims(1);
  if (c.failed)
    return {};
  Dims have = dimsOf(x);
  for (size_t i = 0; i < dims.size(); ++i) // -1 keeps a size
    if (dims[i] == Dim(-1) && i + have.size() >= dims.size())
      dims[i] = have[i + have.size() - dims.size()];
  auto fit = broadcastShapes(have, dims);
  if (!fit || *fit != dims)
    return c.fail("`expand` of " + c.e.describe(Object(x)) + " to " +
                  str(dims) + ": only sizes of 1 can grow");
  return c.t.broadcast(x, dims);
}

static Object flatten(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  if (dimsOf(x).empty())
    return c.t.reshape(x, {Dim(1)});
  int64_t from = c.axis(1, x), to = c.axis(2, x);
  if (c.failed)
    return {};
  if (to < from)
    return c.fail("`flatten` from axis " + std::to_string(from) + " to axis " +
                  std::to_string(to));
  Dims have = dimsOf(x), dims(have.begin(), have.begin() + from);
  dims.push_back(numElements(llvm::ArrayRef(have).slice(from, to - from + 1)));
  dims.append(have.begin() + to + 1, have.end());
  return c.t.reshape(x, dims);
}

/// The parts of `concat` and `stack`: a list or several arguments, one type.
static std::optional<llvm::SmallVector<mlir::Value>> parts(BuiltinCall &c) {
  std::vector<Object> objects;
  std::vector<Span> spans;
  if (auto *elements = c[0].elements()) {
    objects = *elements;
    spans.assign(objects.size(), c.spans[0]);
  }
  if (objects.empty()) {
    c.fail(std::string("`") + c.builtin.name + "` takes a list of tensors",
           std::string("`") + c.builtin.name + "([a, b], axis = 0)`");
    return std::nullopt;
  }
  llvm::SmallVector<mlir::Value> values;
  mlir::Type type;
  for (auto [object, span] : llvm::zip(objects, spans)) {
    mlir::Value value = c.e.toTensor(object, span);
    if (!value) {
      c.failed = true;
      return std::nullopt;
    }
    values.push_back(value);
    type = type ? promote(type, elementTypeOf(value)) : elementTypeOf(value);
  }
  for (mlir::Value &value : values)
    value = c.t.cast(value, type);
  return values;
}

static Object join(BuiltinCall &c, llvm::SmallVector<mlir::Value> &values,
                   int64_t axis) {
  Dims first = dimsOf(values[0]);
  for (mlir::Value value : values) {
    Dims dims = dimsOf(value);
    bool fits = dims.size() == first.size();
    for (size_t i = 0; fits && i < dims.size(); ++i)
      fits = int64_t(i) == axis || dims[i] == first[i];
    if (!fits)
      return c.fail(std::string("`") + c.builtin.name + "` of " +
                    c.e.describe(Object(values[0])) + " and " +
                    c.e.describe(Object(value)) + " along axis " +
                    std::to_string(axis) + ": the other sizes should agree");
  }
  if (values.size() == 1)
    return values[0];
  return mlir::Value(ConcatOp::create(c.t.builder, c.t.loc, values, axis));
}

static Object concat(BuiltinCall &c) {
  auto values = parts(c);
  if (!values)
    return {};
  int64_t axis = c.axis(1, (*values)[0]);
  return c.failed ? Object() : join(c, *values, axis);
}

static Object stack(BuiltinCall &c) {
  auto values = parts(c);
  if (!values)
    return {};
  auto axis = c.e.toAxis(c[1], dimsOf((*values)[0]).size() + 1, c.spans[1]);
  if (!axis)
    return {};
  Dims first = dimsOf((*values)[0]);
  for (mlir::Value &value : *values) {
    if (dimsOf(value) != first)
      return c.fail("`stack` of " + c.e.describe(Object((*values)[0])) +
                    " and " + c.e.describe(Object(value)) +
                    ": the sizes should agree");
    value = c.t.unsqueeze(value, *axis);
  }
  return join(c, *values, *axis);
}

static Object split(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t axis = c.axis(2, x);
  Dims sizes = c.dims(1);
  if (c.failed)
    return {};
  Dim whole = dimOf(x, axis);
  // One size: pieces of it; a list: a piece each.
  if (!c[1].elements()) {
    auto piece = sizes[0].constant(), n = whole.constant();
    if (!piece || !n || *piece < 1)
      return c.fail("`split` into pieces of " + sizes[0].str() +
                        " needs an axis whose "
                        "size is a number, and it is " +
                        whole.str(),
                    "give the list of sizes: `split(x, [T - 1, 1], axis)`");
    sizes.clear();
    for (int64_t at = 0; at < *n; at += *piece)
      sizes.push_back(Dim(std::min(*piece, *n - at)));
  }
  Dim total(0);
  for (const Dim &size : sizes)
    total += size;
  if (total != whole)
    return c.fail("`split` into pieces of " + str(sizes) +
                  ": together they are " + total.str() + ", and the axis has " +
                  whole.str());
  std::vector<Object> pieces;
  Dim at(0);
  for (const Dim &size : sizes) {
    pieces.push_back(c.t.slice(x, axis, at, size));
    at += size;
  }
  return Object::list(std::move(pieces));
}

static Object chunk(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t count = c.integer(1), axis = c.axis(2, x);
  if (c.failed)
    return {};
  auto size =
      count > 0 ? Dim::exactDiv(dimOf(x, axis), Dim(count)) : std::nullopt;
  if (!size)
    return c.fail("`chunk` of an axis of " + dimOf(x, axis).str() + " into " +
                  std::to_string(count) + " equal pieces");
  std::vector<Object> pieces;
  for (int64_t i = 0; i < count; ++i)
    pieces.push_back(c.t.slice(x, axis, *size * Dim(i), *size));
  return Object::list(std::move(pieces));
}

static Object pad(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  Dim before = c.size(1), after = c.size(2);
  int64_t axis = c.axis(3, x);
  if (c.failed)
    return {};
  mlir::Value value = c.tensor(4, elementTypeOf(x));
  if (!value)
    return {};
  if (!dimsOf(value).empty())
    return c.fail("`pad` fills with a scalar, and this is " +
                  c.e.describe(Object(value)));
  for (const Dim &size : {before, after})
    if (size.constant() && *size.constant() < 0)
      return c.fail("`pad` by " + size.str(), "`x[2:]` cuts off");
  Dims low(dimsOf(x).size(), Dim(0)), high = low;
  low[axis] = before;
  high[axis] = after;
  auto *context = c.t.builder.getContext();
  return mlir::Value(
      PadOp::create(c.t.builder, c.t.loc, x, c.t.cast(value, elementTypeOf(x)),
                    DimsAttr::get(context, low), DimsAttr::get(context, high)));
}

static Object flip(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  auto axes = c.axes(1, x);
  if (c.failed)
    return {};
  return axes.empty()
             ? x
             : mlir::Value(FlipOp::create(c.t.builder, c.t.loc, x, axes));
}

static Object roll(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t shift = c.integer(1), axis = c.axis(2, x);
  if (c.failed)
    return {};
  Dim size = dimOf(x, axis);
  if (auto n = size.constant())
    shift = *n ? ((shift % *n) + *n) % *n : 0;
  if (shift == 0)
    return x;
  // The last `shift` come first; counted from the front for a negative shift.
  Dim cut = shift > 0 ? size - Dim(shift) : Dim(-shift);
  mlir::Value halves[] = {c.t.slice(x, axis, cut, size - cut),
                          c.t.slice(x, axis, Dim(0), cut)};
  return mlir::Value(ConcatOp::create(c.t.builder, c.t.loc, halves, axis));
}

static Object arange(BuiltinCall &c) {
  // arange(n), arange(start, stop, step)
  Dim start = c.given(1) ? c.size(0) : Dim(0);
  Dim stop = c.given(1) ? c.size(1) : c.size(0);
  int64_t step = c.integer(2);
  mlir::Type type = c.type(3);
  if (c.failed)
    return {};
  if (step == 0)
    return c.fail("the step of `arange` cannot be 0");
  Dim count = step > 0 ? Dim::ceilDiv(stop - start, Dim(step))
                       : Dim::ceilDiv(start - stop, Dim(-step));
  if (count.constant() && *count.constant() < 0)
    count = Dim(0);
  mlir::Value x = c.t.iota({count}, 0);
  if (step != 1)
    x = c.t.binary<MulOp>(x, c.t.constantInt(step, c.t.i64()));
  if (start != Dim(0))
    x = c.t.binary<AddOp>(x, c.t.size(start));
  return c.t.cast(x, type);
}

template <int number> static Object filledLike(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  return c.t.full(dimsOf(x), c.t.constant(number, elementTypeOf(x)));
}

static Object eye(BuiltinCall &c) {
  Dim n = c.size(0), m = c.given(1) ? c.size(1) : n;
  mlir::Type type = c.type(2);
  if (c.failed)
    return {};
  mlir::Value row = c.t.iota({n, Dim(1)}, 0), column = c.t.iota({m}, 0);
  return c.t.cast(c.t.compare(ComparePredicate::eq, row, column), type);
}

/// Keeps the lower (or upper) triangle of the last two axes.
template <ComparePredicate keep> static Object triangle(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  int64_t diagonal = c.integer(1);
  if (c.failed)
    return {};
  Dims dims = dimsOf(x);
  if (dims.size() < 2)
    return c.fail(std::string("`") + c.builtin.name +
                  "` takes matrices, and this is " + c.e.describe(Object(x)));
  mlir::Value row = c.t.iota({dims[dims.size() - 2], Dim(1)}, 0);
  mlir::Value column = c.t.iota({dims.back()}, 0);
  row = c.t.binary<AddOp>(row, c.t.constantInt(diagonal, c.t.i64()));
  return c.t.select(c.t.compare(keep, column, row), x,
                    c.t.constant(0, elementTypeOf(x)));
}

static Object size(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  if (!c.given(1))
    return numElements(dimsOf(x));
  int64_t axis = c.axis(1, x);
  return c.failed ? Object() : Object(dimOf(x, axis));
}

static Object shape(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  std::vector<Object> sizes;
  for (const Dim &dim : dimsOf(x))
    sizes.push_back(dim);
  return Object::list(std::move(sizes));
}

static Object rank(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  return x ? Object(Dim(int64_t(dimsOf(x).size()))) : Object();
}

static Object length(BuiltinCall &c) {
  if (auto *elements = c[0].elements())
    return Dim(int64_t(elements->size()));
  return c.fail("`len` counts a list, and this is " + c.e.describe(c[0]),
                c[0].isTensorLike() ? "`size(x, axis)` is a tensor's" : "");
}

/// Lists side by side: [(a0, b0), (a1, b1), ...].
static Object zip(BuiltinCall &c) {
  std::vector<Object> pairs;
  for (auto [object, span] : llvm::zip(c.rest, c.restSpans)) {
    auto *elements = object.elements();
    if (!elements || elements->size() != c.rest[0].elements()->size()) {
      c.failed = true;
      return c.e.fail(span, elements ? "`zip` takes lists of one length"
                                     : "`zip` takes lists, and this is " +
                                           c.e.describe(object));
    }
  }
  size_t count = c.rest.empty() ? 0 : c.rest[0].elements()->size();
  for (size_t i = 0; i < count; ++i) {
    std::vector<Object> tuple;
    for (const Object &object : c.rest)
      tuple.push_back((*object.elements())[i]);
    pairs.push_back(Object::tuple(std::move(tuple)));
  }
  return Object::list(std::move(pairs));
}

static Object enumerate(BuiltinCall &c) {
  auto *elements = c[0].elements();
  if (!elements)
    return c.fail("`enumerate` takes a list, and this is " +
                  c.e.describe(c[0]));
  std::vector<Object> pairs;
  for (size_t i = 0; i < elements->size(); ++i)
    pairs.push_back(Object::tuple({Object(Dim(int64_t(i))), (*elements)[i]}));
  return Object::list(std::move(pairs));
}

static Object dtype(BuiltinCall &c) {
  mlir::Value x = c.tensor(0);
  if (!x)
    return {};
  auto name = ast::parseTypeName(Elaborator::describe(elementTypeOf(x)));
  return name ? Object(*name) : Object();
}

llvm::ArrayRef<Builtin> mapsto::shapeBuiltins() {
  static const Builtin table[] = {
      {"reshape", "x, shape", "[..] -> shape",
       "The same elements in the same order under another shape; one size may "
       "be -1.",
       "reshape([1, 2, 3, 4], [2, -1]) == [[1, 2], [3, 4]]", reshape},
      {"transpose", "x, order = None", "[..] -> [..]",
       "Axes in another order; reversed where none is given.",
       "transpose([[1, 2], [3, 4]]) == [[1, 3], [2, 4]]", transpose},
      {"permute", "x, order", "[..] -> [..]",
       "Axes in another order: result axis i is x's axis order[i].",
       "permute([[1, 2], [3, 4]], [1, 0]) == [[1, 3], [2, 4]]", transpose},
      {"swapaxes", "x, a, b", "[..] -> [..]", "Two axes exchanged.",
       "swapaxes([[1, 2], [3, 4]], 0, 1) == [[1, 3], [2, 4]]", swapAxes},
      {"squeeze", "x, axis", "[.., 1, ..] -> [.., ..]",
       "An axis of size 1 taken away.", "squeeze([[1, 2]], 0) == [1, 2]",
       squeeze},
      {"unsqueeze", "x, axis", "[.., ..] -> [.., 1, ..]",
       "A new axis of size 1.", "unsqueeze([1, 2], 0) == [[1, 2]]", unsqueeze},
      {"expand", "x, shape", "[.., 1, ..] -> shape",
       "Sizes of 1 repeated; -1 keeps a size.",
       "expand([[1], [2]], [2, 2]) == [[1, 1], [2, 2]]", expand},
      {"flatten", "x, start = 0, end = -1", "[..] -> [..]",
       "Axes start to end made one.",
       "flatten([[1, 2], [3, 4]]) == [1, 2, 3, 4]", flatten},
      {"concat", "parts, axis = 0", "[[.., N, ..], ..] -> [.., sum of N, ..]",
       "Tensors one after the other along an axis.",
       "concat([[1, 2], [3]]) == [1, 2, 3]", concat},
      {"stack", "parts, axis = 0", "[[..], ..] -> [.., count, ..]",
       "Tensors side by side along a new axis.",
       "stack([[1, 2], [3, 4]], axis = 1) == [[1, 3], [2, 4]]", stack},
      {"split", "x, sizes, axis = 0", "[.., N, ..] -> list",
       "Pieces of the given sizes, or of one size, along an axis.",
       "split([1, 2, 3], [2, 1])[1] == [3]", split},
      {"chunk", "x, count, axis = 0", "[.., N, ..] -> list",
       "`count` equal pieces along an axis.",
       "chunk([1, 2, 3, 4], 2)[1] == [3, 4]", chunk},
      {"pad", "x, before, after, axis = -1, value = 0",
       "[.., N, ..] -> [.., before + N + after, ..]",
       "A value put around an axis.", "pad([1, 2], 1, 0) == [0, 1, 2]", pad},
      {"flip", "x, axis = None", "[..] -> [..]",
       "Elements in reverse order along an axis, several, or all.",
       "flip([1, 2, 3]) == [3, 2, 1]", flip},
      {"roll", "x, shift, axis = -1", "[..] -> [..]",
       "Elements moved on along an axis; what falls off comes back in front.",
       "roll([1, 2, 3], 1) == [3, 1, 2]", roll},
      {"arange", "start, stop = None, step = 1, dtype = i64", "-> [count]",
       "`arange(n)` counts 0 to n - 1; `arange(start, stop, step)` from start.",
       "arange(1, 7, 2) == [1, 3, 5]", arange},
      {"zeros_like", "x", "[..] -> [..]", "Zeros of x's shape and type.",
       "zeros_like([1, 2]) == [0, 0]", filledLike<0>},
      {"ones_like", "x", "[..] -> [..]", "Ones of x's shape and type.",
       "ones_like([5, 2]) == [1, 1]", filledLike<1>},
      {"eye", "n, m = None, dtype = f32", "-> [n, m]",
       "1 on the diagonal, 0 elsewhere.", "eye(2) == [[1.0, 0.0], [0.0, 1.0]]",
       eye},
      {"tril", "x, diagonal = 0", "[.., N, M] -> [.., N, M]",
       "The lower triangle; 0 above it.",
       "tril([[1, 2], [3, 4]]) == [[1, 0], [3, 4]]",
       triangle<ComparePredicate::le>},
      {"triu", "x, diagonal = 0", "[.., N, M] -> [.., N, M]",
       "The upper triangle; 0 below it.",
       "triu([[1, 2], [3, 4]]) == [[1, 2], [0, 4]]",
       triangle<ComparePredicate::ge>},
      {"size", "x, axis = None", "size",
       "The size of an axis, or the number of elements.",
       "size([[1, 2, 3]], 1) == 3", size},
      {"shape", "x", "list of sizes", "All sizes of a tensor.",
       "shape([[1, 2, 3]])[1] == 3", shape},
      {"rank", "x", "number", "How many axes a tensor has.",
       "rank([[1, 2, 3]]) == 2", rank},
      {"dtype", "x", "type", "The element type of a tensor.",
       "cast([1.5], dtype([1])) == [1]", dtype},
      {"zip", "*lists", "lists -> list",
       "Lists side by side, to run over together.",
       "len(zip([1, 2], [3, 4])) == 2", zip},
      {"enumerate", "list", "list -> list",
       "A list with the position before each element.",
       "enumerate([5, 6])[1] == (1, 6)", enumerate},
      {"len", "list", "number", "How many elements a list has.",
       "len([1, 2, 3]) == 3", length},
  };
  return table;
}
