#include "frontends/onnx/Sampling.h"

using namespace mlir;

namespace mapsto::onnx {

SmallVector<Tap> linearTaps(const Term &place) {
  Term left = apply<FloorOp>(place), after = place - left;
  return {{left, 1 - after, true}, {left + 1, after, true}};
}

namespace {

/// A tap whose place is there: as an index, with what decides where it is not.
struct Element {
  Term index; ///< i64
  std::optional<Term> weight, inside;
};

Element elementOf(const Tap &tap, const Dim &extent) {
  const Term &at = tap.place;
  // False for NaN.
  Term inside = (at >= 0) & (at <= sizeAs(at, extent - Dim(1)));
  Term index(at,
             cast(*at.b, at.loc, select(inside, at, 0).v, at.b->getI64Type()));
  return {index, tap.weight,
          tap.zeroOutside ? std::optional(inside) : std::nullopt};
}

std::optional<Term> product(const std::optional<Term> &x,
                            const std::optional<Term> &y) {
  return x && y ? *x * *y : x ? x : y;
}

std::optional<Term> both(const std::optional<Term> &x,
                         const std::optional<Term> &y) {
  return x && y ? *x & *y : x ? x : y;
}

} // namespace

Term sampled(Node &n, const Term &x, ArrayRef<SmallVector<Tap>> axes,
             llvm::function_ref<Term(Term, Term)> combine) {
  Dims dims = dimsOf(x.v);
  ArrayRef<Dim> extents = ArrayRef<Dim>(dims).drop_front(2);
  SmallVector<Element> elements;
  for (auto [tapsOfAxis, extent] : llvm::zip_equal(axes, extents)) {
    SmallVector<Element> outer = std::move(elements);
    elements.clear();
    for (const Tap &tap : tapsOfAxis) {
      Element inner = elementOf(tap, extent);
      if (outer.empty())
        elements.push_back(inner);
      for (const Element &e : outer)
        elements.push_back({e.index * sizeAs(e.index, extent) + inner.index,
                            product(e.weight, inner.weight),
                            both(e.inside, inner.inside)});
    }
  }
  Dims at = dimsOf(elements.front().index.v);
  Dims result{dims[0], dims[1], at[1]};
  auto spread = [&](const Term &y) -> Term {
    mlir::Value row = reshape(n.b, n.loc, y.v, Dims{at[0], 1, at[1]});
    return {n, broadcastTo(n.b, n.loc, row, result)};
  };
  mlir::Value flat =
      reshape(n.b, n.loc, x.v, Dims{dims[0], dims[1], numElements(extents)});
  std::optional<Term> all;
  for (const Element &element : elements) {
    Term value(
        n, TakeAlongOp::create(n.b, n.loc, flat, spread(element.index).v, 2));
    if (element.weight) {
      Term weight(n, cast(n.b, n.loc, element.weight->v, elementTypeOf(x.v)));
      value = value * spread(weight);
    }
    if (element.inside)
      value = select(spread(*element.inside), value, 0);
    all = all ? combine(*all, value) : value;
  }
  return *all;
}

} // namespace mapsto::onnx
