//===- OpsUnique.cpp - Unique
//----------------------------------------------===//
//
// How many elements are unique depends on all of them, so that they must be
// known.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// Below 0, 0 or above it, as a is before, equal to or behind b. NaNs are equal
/// and behind all else.
int order(double a, double b) {
  if (std::isnan(a) || std::isnan(b))
    return int(std::isnan(a)) - int(std::isnan(b));
  return int(a > b) - int(a < b);
}
int order(int64_t a, int64_t b) { return int(a > b) - int(a < b); }
int order(uint64_t a, uint64_t b) { return int(a > b) - int(a < b); }

/// Slices of a tensor along an axis, by the element: all others in order.
struct Slices {
  int64_t outer, count, inner;

  int64_t elements() const { return outer * inner; }
  size_t place(int64_t slice, int64_t element) const {
    return size_t((element / inner * count + slice) * inner + element % inner);
  }
};

struct Groups {
  SmallVector<int64_t> first;   ///< the first slice of each group
  SmallVector<int64_t> members; ///< how many it has
  SmallVector<int64_t> of;      ///< the group of each slice
};

/// Groups of equal slices, by their elements or by where they first are.
template <typename T>
Groups group(ArrayRef<T> numbers, const Slices &slices, bool sorted) {
  auto compare = [&](int64_t a, int64_t b) {
    for (int64_t i = 0; i < slices.elements(); ++i)
      if (int o =
              order(numbers[slices.place(a, i)], numbers[slices.place(b, i)]))
        return o;
    return 0;
  };
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq(slices.count));
  llvm::sort(all, [&](int64_t a, int64_t b) {
    int o = compare(a, b);
    return o ? o < 0 : a < b;
  });
  // The first of each group in the order of the elements.
  SmallVector<int64_t> first, leader(size_t(slices.count));
  for (int64_t slice : all) {
    if (first.empty() || compare(first.back(), slice) != 0)
      first.push_back(slice);
    leader[size_t(slice)] = first.back();
  }
  if (!sorted)
    llvm::sort(first);
  Groups groups;
  groups.first = first;
  groups.members.assign(first.size(), 0);
  SmallVector<int64_t> number(size_t(slices.count));
  for (auto [i, slice] : llvm::enumerate(first))
    number[size_t(slice)] = int64_t(i);
  for (int64_t slice : leader) {
    groups.of.push_back(number[size_t(slice)]);
    ++groups.members[size_t(groups.of.back())];
  }
  return groups;
}

FailureOr<Groups> groupInput(Node &n, const Slices &slices, bool sorted) {
  if (isa<FloatType>(n.type(0))) {
    FailureOr<SmallVector<double>> numbers = n.floats(0);
    if (failed(numbers))
      return failure();
    return group(ArrayRef<double>(*numbers), slices, sorted);
  }
  FailureOr<SmallVector<int64_t>> numbers = n.ints(0);
  if (failed(numbers))
    return failure();
  if (!n.type(0).isUnsignedInteger(64))
    return group(ArrayRef<int64_t>(*numbers), slices, sorted);
  SmallVector<uint64_t> all(numbers->begin(), numbers->end());
  return group(ArrayRef<uint64_t>(all), slices, sorted);
}

Known known(ArrayRef<int64_t> numbers) {
  return Known::list(
      llvm::map_to_vector(numbers, [](int64_t x) { return Dim(x); }));
}

LogicalResult unique(Node &n) {
  Dims dims = n.dims(0);
  bool sorted = n.attr("sorted", 1) != 0, flat = !n.hasAttribute("axis");
  FailureOr<int64_t> axis =
      flat ? 0 : n.axis(n.attr("axis", 0), int64_t(dims.size()));
  if (failed(axis))
    return failure();
  if (flat)
    dims = {numElements(dims)};
  auto sizeOf = [](ArrayRef<Dim> some) {
    return numElements(some).constant().value_or(0);
  };
  ArrayRef<Dim> all = dims;
  size_t at = size_t(*axis);
  Slices slices{sizeOf(all.take_front(at)), sizeOf(all.slice(at, 1)),
                sizeOf(all.drop_front(at + 1))};
  FailureOr<Groups> groups = groupInput(n, slices, sorted);
  if (failed(groups))
    return failure();
  Type i64 = n.b.getI64Type();
  mlir::Value x = reshape(n.b, n.loc, n.in(0), dims);
  n.give(0, TakeOp::create(n.b, n.loc, x, list(n, groups->first), *axis),
         n.type(0));
  n.give(1, known(groups->first), i64);
  n.give(2, known(groups->of), i64);
  n.give(3, known(groups->members), i64);
  return success();
}

} // namespace

void addUniqueOps(OpTable &table) { table["Unique"] = unique; }

} // namespace mapsto::onnx
