//===- OpsIndexing.cpp - Elements by their place --------------------------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

mlir::Value number(Node &n, const Dim &dim, ArrayRef<Dim> dims) {
  Value value;
  value.type = n.b.getI64Type();
  value.known = Known::scalar(dim);
  return broadcastTo(n.b, n.loc, n.importer.materialise(value), dims);
}

mlir::Value compare(Node &n, ComparePredicate predicate, mlir::Value x,
                    mlir::Value y) {
  return CompareOp::create(n.b, n.loc, predicate, x, y);
}

/// An index in i64, from the end of `extent` where it is below zero.
mlir::Value fromStart(Node &n, mlir::Value index, const Dim &extent) {
  index = cast(n.b, n.loc, index, n.b.getI64Type());
  Dims dims = dimsOf(index);
  mlir::Value negative = compare(n, ComparePredicate::lt, index,
                                 splat(n.b, n.loc, 0, index.getType()));
  mlir::Value moved = AddOp::create(n.b, n.loc, index, number(n, extent, dims));
  return SelectOp::create(n.b, n.loc, negative, moved, index);
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

/// Where a single index that is known points to along an axis, counted from
/// its front: nothing if that is out of range, which is an error of the run.
std::optional<Dim> onePlace(const Known *indices, const Dim &extent) {
  if (!indices || !indices->assumes.empty() || indices->elements.size() != 1)
    return std::nullopt;
  std::optional<int64_t> index = indices->elements[0].constant();
  if (!index)
    return std::nullopt;
  Dim place = *index < 0 ? extent + Dim(*index) : Dim(*index);
  std::optional<int64_t> number = place.constant(), size = extent.constant();
  if ((number && *number < 0) || (size && number && *number >= *size))
    return std::nullopt;
  return place;
}

LogicalResult gather(Node &n) {
  Dims dims = n.dims(0), at = n.dims(1);
  FailureOr<int64_t> axis = n.axis(n.attr("axis", 0), int64_t(dims.size()));
  if (failed(axis))
    return failure();
  size_t split = size_t(*axis);
  Dims to(dims.begin(), dims.begin() + *axis);
  to.append(at);
  to.append(dims.begin() + *axis + 1, dims.end());
  const Known *x = n.known(0), *indices = n.known(1);
  // Out of range is an error of the run.
  auto inRange = [&](const Dim &index) {
    int64_t size = x->shape[split];
    auto place = index.constant();
    return place && *place >= -size && *place < size;
  };
  std::optional<Known> folded;
  if (x && indices && llvm::all_of(indices->elements, inRange)) {
    folded = rearrange(x, to, [&](ArrayRef<int64_t> position) {
      int64_t place = 0;
      for (auto [i, size] : llvm::enumerate(indices->shape))
        place = place * size + position[split + i];
      int64_t index = *indices->elements[size_t(place)].constant();
      SmallVector<int64_t> from(position.take_front(split));
      from.push_back(index < 0 ? index + x->shape[split] : index);
      llvm::append_range(from, position.drop_front(split + at.size()));
      return from;
    });
    if (folded)
      assume(*folded, *indices);
  }
  return n.resultOr(std::move(folded), n.type(0), [&] {
    // What is at a known place is a view.
    if (std::optional<Dim> place = onePlace(indices, dims[split])) {
      mlir::Value one = slice(n.b, n.loc, n.in(0), *axis, *place, Dim(1));
      return FailureOr<mlir::Value>(reshape(n.b, n.loc, one, to));
    }
    return FailureOr<mlir::Value>(
        TakeOp::create(n.b, n.loc, n.in(0), n.in(1), *axis).getResult());
  });
}

/// Whether `part` may be a box of `whole` but along an axis.
LogicalResult checkBox(Node &n, ArrayRef<Dim> whole, ArrayRef<Dim> part,
                       int64_t axis) {
  bool fits = whole.size() == part.size();
  for (size_t i = 0; fits && i < whole.size(); ++i)
    fits =
        int64_t(i) == axis || (part[i] - whole[i]).constant().value_or(0) <= 0;
  if (fits)
    return success();
  return n.fail("its indices are " + str(part) + " for x " + str(whole));
}

LogicalResult gatherElements(Node &n) {
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x), at = n.dims(1);
  FailureOr<int64_t> axis = n.axis(n.attr("axis", 0), int64_t(dims.size()));
  if (failed(axis) || failed(checkBox(n, dims, at, *axis)))
    return failure();
  for (auto [i, size] : llvm::enumerate(at))
    if (int64_t(i) != *axis)
      x = slice(n.b, n.loc, x, int64_t(i), 0, size);
  return n.result(TakeAlongOp::create(n.b, n.loc, x, n.in(1), *axis),
                  n.type(0));
}

/// Index tuples [..., k] into axes from `first` on of x of `dims`, as places
/// in these axes laid end to end. A tuple that is out of range becomes a place
/// that is.
FailureOr<mlir::Value> flatPlaces(Node &n, mlir::Value tuples,
                                  ArrayRef<Dim> dims, size_t first) {
  Dims at = dimsOf(tuples);
  if (at.empty() || !at.back().isConstant() || *at.back().constant() < 0 ||
      first + size_t(*at.back().constant()) > dims.size())
    return n.fail("its indices are " + str(at) + " for x " + str(dims));
  size_t k = size_t(*at.back().constant());
  int64_t last = int64_t(at.size()) - 1;
  Dims places = at;
  places.pop_back();
  RankedTensorType type = mapsto::tensorOf(places, n.b.getI64Type());
  mlir::Value place = splat(n.b, n.loc, 0, type), outside;
  for (size_t i = 0; i < k; ++i) {
    const Dim &extent = dims[first + i];
    mlir::Value index = slice(n.b, n.loc, tuples, last, int64_t(i), 1);
    index = fromStart(n, reshape(n.b, n.loc, index, places), extent);
    mlir::Value size = number(n, extent, places);
    mlir::Value off = OrOp::create(
        n.b, n.loc,
        compare(n, ComparePredicate::lt, index, splat(n.b, n.loc, 0, type)),
        compare(n, ComparePredicate::ge, index, size));
    outside = outside ? OrOp::create(n.b, n.loc, outside, off) : off;
    place = AddOp::create(n.b, n.loc, MulOp::create(n.b, n.loc, place, size),
                          index);
  }
  if (k < 2) // alone, it is out of range by itself
    return place;
  mlir::Value beyond = number(n, numElements(dims.slice(first, k)), places);
  return mlir::Value(SelectOp::create(n.b, n.loc, outside, beyond, place));
}

LogicalResult gatherND(Node &n) {
  mlir::Value x = n.in(0), tuples = n.in(1);
  Dims dims = dimsOf(x), at = dimsOf(tuples);
  int64_t batchDims = n.attr("batch_dims", 0);
  if (batchDims < 0 || batchDims >= int64_t(std::min(dims.size(), at.size())))
    return n.fail("`batch_dims` is " + Twine(batchDims) + " for x " +
                  str(dims) + " and indices " + str(at));
  size_t batch = size_t(batchDims);
  for (size_t i = 0; i < batch; ++i)
    if (dims[i] != at[i])
      return n.fail("x is " + str(dims) + ", its indices " + str(at));
  FailureOr<mlir::Value> place = flatPlaces(n, tuples, dims, batch);
  if (failed(place))
    return failure();
  size_t k = size_t(*at.back().constant());
  ArrayRef<Dim> all = dims;
  Dim batches = numElements(all.take_front(batch));
  Dim each = numElements(all.slice(batch, k));
  ArrayRef<Dim> rest = all.drop_front(batch + k);
  Dims flat{batches, each};
  flat.append(rest.begin(), rest.end());
  x = reshape(n.b, n.loc, x, flat);
  Dims result(at.begin(), at.end() - 1);
  Dim perBatch = numElements(ArrayRef<Dim>(result).drop_front(batch));
  result.append(rest.begin(), rest.end());
  mlir::Value y;
  if (batch == 0) {
    flat.erase(flat.begin());
    y = TakeOp::create(n.b, n.loc, reshape(n.b, n.loc, x, flat), *place, 0);
  } else {
    // Along the places of each batch, the same for all that follows.
    Dim row = numElements(rest);
    x = reshape(n.b, n.loc, x, Dims{batches, each, row});
    mlir::Value index = reshape(n.b, n.loc, *place, Dims{batches, perBatch, 1});
    index = broadcastTo(n.b, n.loc, index, Dims{batches, perBatch, row});
    y = TakeAlongOp::create(n.b, n.loc, x, index, 1);
  }
  return n.result(reshape(n.b, n.loc, y, result), n.type(0));
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

FailureOr<ScatterKind> reductionOf(Node &n) {
  std::string name = n.attrString("reduction", "none");
  auto kind = llvm::StringSwitch<std::optional<ScatterKind>>(name)
                  .Case("none", ScatterKind::set)
                  .Case("add", ScatterKind::add)
                  .Case("mul", ScatterKind::mul)
                  .Case("max", ScatterKind::max)
                  .Case("min", ScatterKind::min)
                  .Default(std::nullopt);
  if (!kind)
    return n.fail("reduction `" + name + "` is not known");
  return *kind;
}

/// Scatters into the box of x that has the indices' sizes but along `axis`;
/// what is around it stays.
mlir::Value scatterIn(Node &n, ScatterKind kind, mlir::Value x,
                      mlir::Value indices, mlir::Value updates, int64_t axis) {
  Dims dims = dimsOf(x), at = dimsOf(indices);
  for (auto [i, size] : llvm::enumerate(at)) {
    if (int64_t(i) == axis || size == dims[i])
      continue;
    mlir::Value box = slice(n.b, n.loc, x, int64_t(i), 0, size);
    mlir::Value rest = slice(n.b, n.loc, x, int64_t(i), size, dims[i] - size);
    box = scatterIn(n, kind, box, indices, updates, axis);
    return ConcatOp::create(n.b, n.loc, {box, rest}, int64_t(i));
  }
  return ScatterOp::create(n.b, n.loc, kind, x, indices, updates, axis);
}

LogicalResult scatterElements(Node &n) {
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x), at = n.dims(1);
  FailureOr<int64_t> axis = n.axis(n.attr("axis", 0), int64_t(dims.size()));
  FailureOr<ScatterKind> kind = reductionOf(n);
  if (failed(axis) || failed(kind) || failed(checkBox(n, dims, at, *axis)))
    return failure();
  if (n.dims(2) != at)
    return n.fail("its indices are " + str(at) + ", its updates " +
                  str(n.dims(2)));
  return n.result(scatterIn(n, *kind, x, n.in(1), n.in(2), *axis), n.type(0));
}

LogicalResult scatterND(Node &n) {
  mlir::Value x = n.in(0), tuples = n.in(1), updates = n.in(2);
  Dims dims = dimsOf(x), at = dimsOf(tuples);
  FailureOr<ScatterKind> kind = reductionOf(n);
  FailureOr<mlir::Value> place = flatPlaces(n, tuples, dims, 0);
  if (failed(kind) || failed(place))
    return failure();
  size_t k = size_t(*at.back().constant());
  ArrayRef<Dim> all = dims;
  Dims wanted(at.begin(), at.end() - 1);
  Dim count = numElements(wanted);
  wanted.append(dims.begin() + long(k), dims.end());
  if (dimsOf(updates) != wanted)
    return n.fail("its updates are " + str(dimsOf(updates)) + ", must be " +
                  str(wanted));
  Dim row = numElements(all.drop_front(k));
  mlir::Value index = reshape(n.b, n.loc, *place, Dims{count, 1});
  index = broadcastTo(n.b, n.loc, index, Dims{count, row});
  mlir::Value y = ScatterOp::create(
      n.b, n.loc, *kind,
      reshape(n.b, n.loc, x, Dims{numElements(all.take_front(k)), row}), index,
      reshape(n.b, n.loc, updates, Dims{count, row}), 0);
  return n.result(reshape(n.b, n.loc, y, dims), n.type(0));
}

//===----------------------------------------------------------------------===//
// By comparing with every place
//===----------------------------------------------------------------------===//

LogicalResult oneHot(Node &n) {
  mlir::Value index = n.in(0);
  Dims dims = dimsOf(index);
  FailureOr<int64_t> axis =
      n.axis(n.attr("axis", -1), int64_t(dims.size()) + 1);
  // Of any type of numbers.
  FailureOr<SmallVector<Dim>> depth = SmallVector<Dim>();
  if (isa<FloatType>(n.type(1))) {
    FailureOr<SmallVector<double>> numbers = n.floats(1);
    if (failed(numbers))
      return failure();
    for (double number : *numbers)
      depth->push_back(Dim(int64_t(std::clamp(number, -1.0, 0x1p40))));
  } else {
    depth = n.sizes(1);
  }
  if (failed(axis) || failed(depth))
    return failure();
  if (depth->size() != 1 || (*depth)[0].constant().value_or(0) < 0)
    return n.fail("its depth is " + str(*depth));
  if (n.dims(2) != Dims{2})
    return n.fail("its values are " + str(n.dims(2)) + ", must be [2]");
  index = fromStart(n, index, (*depth)[0]);
  dims.insert(dims.begin() + *axis, Dim(1));
  index = reshape(n.b, n.loc, index, dims);
  dims[size_t(*axis)] = (*depth)[0];
  mlir::Value places = IotaOp::create(
      n.b, n.loc, mapsto::tensorOf(dims, n.b.getI64Type()), *axis);
  mlir::Value hit = compare(n, ComparePredicate::eq, places,
                            broadcastTo(n.b, n.loc, index, dims));
  auto value = [&](int64_t i) {
    mlir::Value one = slice(n.b, n.loc, n.in(2), 0, i, 1);
    return broadcastTo(n.b, n.loc, one, dims);
  };
  return n.result(SelectOp::create(n.b, n.loc, hit, value(1), value(0)),
                  n.type(2));
}

/// Of each row the first `length` steps in reverse order.
LogicalResult reverseSequence(Node &n) {
  mlir::Value x = n.in(0);
  Dims dims = dimsOf(x);
  int64_t rank = int64_t(dims.size());
  FailureOr<int64_t> batch = n.axis(n.attr("batch_axis", 1), rank);
  FailureOr<int64_t> time = n.axis(n.attr("time_axis", 0), rank);
  if (failed(batch) || failed(time))
    return failure();
  if (*batch == *time || n.dims(1) != Dims{dims[size_t(*batch)]})
    return n.fail("its lengths are " + str(n.dims(1)) + " for x " + str(dims));
  Dims row(dims.size(), Dim(1));
  row[size_t(*batch)] = dims[size_t(*batch)];
  mlir::Value length = cast(n.b, n.loc, n.in(1), n.b.getI64Type());
  length = broadcastTo(n.b, n.loc, reshape(n.b, n.loc, length, row), dims);
  RankedTensorType type = mapsto::tensorOf(dims, n.b.getI64Type());
  mlir::Value step = IotaOp::create(n.b, n.loc, type, *time);
  mlir::Value mirrored =
      SubOp::create(n.b, n.loc, SubOp::create(n.b, n.loc, length, step),
                    splat(n.b, n.loc, 1, type));
  mlir::Value from = SelectOp::create(
      n.b, n.loc, compare(n, ComparePredicate::lt, step, length), mirrored,
      step);
  return n.result(TakeAlongOp::create(n.b, n.loc, x, from, *time), n.type(0));
}

//===----------------------------------------------------------------------===//
// Results whose size the data decide: they must be known
//===----------------------------------------------------------------------===//

/// Whether each element of input `i`, which must be known, is not 0.
FailureOr<SmallVector<bool>> flags(Node &n, size_t i) {
  FailureOr<SmallVector<double>> numbers = n.floats(i);
  if (failed(numbers))
    return failure();
  return llvm::map_to_vector(*numbers, [](double x) { return x != 0; });
}

LogicalResult compress(Node &n) {
  FailureOr<SmallVector<bool>> kept = flags(n, 1);
  if (failed(kept))
    return failure();
  mlir::Value x = n.in(0);
  int64_t axis = 0;
  if (n.hasAttribute("axis")) {
    FailureOr<int64_t> given =
        n.axis(n.attr("axis", 0), int64_t(dimsOf(x).size()));
    if (failed(given))
      return failure();
    axis = *given;
  } else {
    x = reshape(n.b, n.loc, x, Dims{numElements(dimsOf(x))});
  }
  SmallVector<Dim> places;
  for (auto [i, keep] : llvm::enumerate(*kept))
    if (keep)
      places.push_back(Dim(int64_t(i)));
  if (!places.empty() &&
      (places.back() - dimOf(x, axis)).constant().value_or(-1) >= 0)
    return n.fail("its condition has more elements than axis " + Twine(axis) +
                  " of " + str(dimsOf(x)));
  Value indices;
  indices.type = n.b.getI64Type();
  indices.known = Known::list(places);
  return n.result(
      TakeOp::create(n.b, n.loc, x, n.importer.materialise(indices), axis),
      n.type(0));
}

LogicalResult nonZero(Node &n) {
  FailureOr<SmallVector<bool>> kept = flags(n, 0);
  if (failed(kept))
    return failure();
  Dims dims = n.dims(0);
  int64_t count = llvm::count(*kept, true);
  Known places{{int64_t(dims.size()), count}, {}, {}};
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    int64_t stride =
        *numElements(ArrayRef<Dim>(dims).drop_front(axis + 1)).constant();
    int64_t size = *dims[axis].constant();
    for (auto [i, keep] : llvm::enumerate(*kept))
      if (keep)
        places.elements.push_back(Dim(int64_t(i) / stride % size));
  }
  return n.result(std::move(places), n.b.getI64Type());
}

} // namespace

void addIndexingOps(OpTable &table) {
  table["Compress"] = compress;
  table["Gather"] = gather;
  table["GatherElements"] = gatherElements;
  table["GatherND"] = gatherND;
  table["NonZero"] = nonZero;
  table["OneHot"] = oneHot;
  table["ReverseSequence"] = reverseSequence;
  table["Scatter"] = scatterElements;
  table["ScatterElements"] = scatterElements;
  table["ScatterND"] = scatterND;
}

} // namespace mapsto::onnx
