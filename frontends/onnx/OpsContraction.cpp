//===- OpsContraction.cpp - Sums of products ------------------------------===//

#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// x times a number; a whole one where x is of integers.
FailureOr<mlir::Value> scaled(Node &n, mlir::Value x, StringRef name) {
  double factor = n.attrFloat(name, 1);
  if (factor == 1)
    return x;
  if (!isa<FloatType>(elementTypeOf(x)) && factor != std::trunc(factor))
    return n.fail("`" + name + "` is no whole number, and x is of integers");
  return mlir::Value(
      MulOp::create(n.b, n.loc, x, splat(n.b, n.loc, factor, x.getType())));
}

/// alpha * A * B + beta * C, A and B transposed where asked.
LogicalResult gemm(Node &n) {
  n.ignore("broadcast"); // until opset 6: C is broadcast whenever it needs be
  mlir::Value x = n.in(0), y = n.in(1);
  if (dimsOf(x).size() != 2 || dimsOf(y).size() != 2)
    return n.fail("it multiplies matrices, and has " + str(dimsOf(x)) +
                  " and " + str(dimsOf(y)));
  if (n.attr("transA", 0))
    x = transpose(n.b, n.loc, x, {1, 0});
  bool transposed = n.attr("transB", 0) != 0;
  if (dimOf(x, 1) != dimOf(y, transposed ? 1 : 0))
    return n.fail(str(n.dims(0)) + " by " + str(n.dims(1)) +
                  " is no matrix product");
  FailureOr<mlir::Value> product =
      scaled(n, MatmulOp::create(n.b, n.loc, x, y, transposed), "alpha");
  if (failed(product))
    return failure();
  if (!n.has(2)) {
    n.ignore("beta");
    return n.result(*product, n.type(0));
  }
  FailureOr<mlir::Value> c = scaled(n, n.in(2), "beta");
  if (failed(c))
    return failure();
  Dims dims = dimsOf(*product);
  FailureOr<Dims> both = broadcastDims(dims, dimsOf(*c));
  if (failed(both) || *both != dims)
    return n.fail("C is " + str(dimsOf(*c)) + ", the product " + str(dims));
  return n.result(
      AddOp::create(n.b, n.loc, *product, broadcastTo(n.b, n.loc, *c, dims)),
      n.type(0));
}

//===----------------------------------------------------------------------===//
// Einsum
//===----------------------------------------------------------------------===//

/// A tensor with a label for each of its axes. Letters are themselves; the
/// axes of "..." are -1, -2, ... from the right.
using Labels = SmallVector<int, 6>;
struct Labelled {
  mlir::Value x;
  Labels labels;
};

bool has(ArrayRef<int> labels, int label) {
  return llvm::is_contained(labels, label);
}

/// One term of an equation; `dots` axes stand for "...".
FailureOr<Labels> parseTerm(Node &n, StringRef term, size_t dots) {
  Labels labels;
  while (!term.empty()) {
    if (term.consume_front("...")) {
      for (size_t i = dots; i > 0; --i)
        labels.push_back(-int(i));
    } else if (llvm::isAlpha(term.front())) {
      labels.push_back(term.front());
      term = term.drop_front();
    } else {
      return n.fail("`" + term + "` is not understood in its equation");
    }
  }
  return labels;
}

/// Axes in the order of `labels`, all of which it has.
mlir::Value ordered(Node &n, const Labelled &t, ArrayRef<int> labels) {
  SmallVector<int64_t> order;
  for (int label : labels)
    order.push_back(llvm::find(t.labels, label) - t.labels.begin());
  return transpose(n.b, n.loc, t.x, order);
}

/// Of axes under one label, the diagonal.
LogicalResult takeDiagonals(Node &n, Labelled &t) {
  for (size_t i = 0; i < t.labels.size(); ++i)
    for (size_t j = i + 1; j < t.labels.size(); ++j) {
      if (t.labels[i] != t.labels[j])
        continue;
      Dim size = dimOf(t.x, int64_t(i));
      if (dimOf(t.x, int64_t(j)) != size || !size.isConstant())
        return n.fail("axes under one label must be of one size, a number",
                      "fix the symbols with --dim NAME=SIZE");
      SmallVector<int64_t> order;
      for (size_t k = 0; k < t.labels.size(); ++k)
        if (k != i && k != j)
          order.push_back(int64_t(k));
      Labels labels;
      for (int64_t k : order)
        labels.push_back(t.labels[size_t(k)]);
      labels.push_back(t.labels[i]);
      order.append({int64_t(i), int64_t(j)});
      t.x = transpose(n.b, n.loc, t.x, order);
      Dims dims = dimsOf(t.x);
      dims.pop_back();
      dims.back() = size * size;
      t.x = reshape(n.b, n.loc, t.x, dims);
      t.x = slice(n.b, n.loc, t.x, int64_t(dims.size()) - 1, 0, size,
                  *size.constant() > 1 ? *size.constant() + 1 : 1);
      t.labels = labels;
      --i; // the label may stand a third time
      break;
    }
  return success();
}

/// Labels that nothing needs any more are summed over.
void sumOut(Node &n, Labelled &t, ArrayRef<int> needed) {
  SmallVector<int64_t> axes;
  Labels kept;
  for (auto [axis, label] : llvm::enumerate(t.labels)) {
    if (has(needed, label))
      kept.push_back(label);
    else
      axes.push_back(int64_t(axis));
  }
  t.x = reduce(n.b, n.loc, ReduceKind::sum, t.x, axes);
  t.labels = kept;
}

/// Axes of "..." are broadcast among the operands, all others agree.
LogicalResult agree(Node &n, MutableArrayRef<Labelled> terms) {
  std::map<int, Dim> sizes;
  for (const Labelled &t : terms)
    for (auto [label, dim] : llvm::zip_equal(t.labels, dimsOf(t.x))) {
      auto [known, isNew] = sizes.try_emplace(label, dim);
      if (known->second == Dim(1))
        known->second = dim;
      else if (dim != known->second && dim != Dim(1))
        return n.fail("sizes " + known->second.str() + " and " + dim.str() +
                      " stand under one label");
    }
  for (Labelled &t : terms) {
    Dims dims;
    for (int label : t.labels)
      dims.push_back(sizes[label]);
    t.x = broadcastTo(n.b, n.loc, t.x, dims);
  }
  return success();
}

/// The product of two, summed over what both have and nothing else needs.
Labelled contract(Node &n, Labelled x, Labelled y, ArrayRef<int> needed) {
  Labels inX(needed), inY(needed);
  llvm::append_range(inX, y.labels);
  llvm::append_range(inY, x.labels);
  sumOut(n, x, inX);
  sumOut(n, y, inY);
  Labels batch, rows, columns, inner;
  for (int label : x.labels)
    (!has(y.labels, label) ? rows
     : has(needed, label)  ? batch
                           : inner)
        .push_back(label);
  for (int label : y.labels)
    if (!has(x.labels, label))
      columns.push_back(label);
  auto join = [](std::initializer_list<Labels> parts) {
    Labels all;
    for (const Labels &part : parts)
      llvm::append_range(all, part);
    return all;
  };
  Labels labels = join({batch, rows, columns});
  x = {ordered(n, x, join({batch, rows, inner})), join({batch, rows, inner})};
  Labels order =
      inner.empty() ? join({batch, columns}) : join({batch, inner, columns});
  y = {ordered(n, y, order), order};
  auto sizes = [](const Labelled &t, const Labels &of) {
    Dims dims;
    for (auto [label, dim] : llvm::zip_equal(t.labels, dimsOf(t.x)))
      if (has(of, label))
        dims.push_back(dim);
    return dims;
  };
  Dims shared = sizes(x, batch), m = sizes(x, rows), k = sizes(x, inner),
       p = sizes(y, columns);
  Dims dims = shared;
  dims.append(m);
  dims.append(p);
  auto under = [&](mlir::Value v, ArrayRef<Dim> left, ArrayRef<Dim> right) {
    Dims whole = shared;
    whole.append(left.begin(), left.end());
    whole.append(right.begin(), right.end());
    return reshape(n.b, n.loc, v, whole);
  };
  if (inner.empty()) { // only products
    mlir::Value left = under(x.x, m, Dims(p.size(), Dim(1)));
    mlir::Value right = under(y.x, Dims(m.size(), Dim(1)), p);
    return {*binary<MulOp>(n.b, n.loc, left, right), labels};
  }
  Dim rowCount = numElements(m), innerCount = numElements(k),
      columnCount = numElements(p);
  mlir::Value product = MatmulOp::create(
      n.b, n.loc, under(x.x, {rowCount}, {innerCount}),
      under(y.x, {innerCount}, {columnCount}), /*transposed=*/false);
  return {reshape(n.b, n.loc, product, dims), labels};
}

LogicalResult einsum(Node &n) {
  std::string equation = n.attrString("equation");
  llvm::erase_if(equation, [](char c) { return c == ' '; });
  StringRef left = equation, right;
  size_t arrow = left.find("->");
  bool explicitResult = arrow != StringRef::npos;
  if (explicitResult) {
    right = left.drop_front(arrow + 2);
    left = left.take_front(arrow);
  }
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != n.numInputs())
    return n.fail("its equation has " + Twine(terms.size()) + " terms for " +
                  Twine(n.numInputs()) + " inputs");
  SmallVector<Labelled> operands;
  size_t dots = 0;
  for (auto [i, term] : llvm::enumerate(terms)) {
    mlir::Value x = n.in(i);
    size_t rank = dimsOf(x).size();
    size_t letters = size_t(llvm::count_if(term, llvm::isAlpha));
    bool hasDots = term.contains("...");
    if (letters > rank || (!hasDots && letters != rank))
      return n.fail("the term `" + term + "` stands for x of " +
                    str(dimsOf(x)));
    size_t own = hasDots ? rank - letters : 0;
    dots = std::max(dots, own);
    FailureOr<Labels> labels = parseTerm(n, term, own);
    if (failed(labels))
      return failure();
    if (labels->size() != rank)
      return n.fail("the term `" + term + "` has `...` twice");
    operands.push_back({x, *labels});
    if (failed(takeDiagonals(n, operands.back())))
      return failure();
  }
  Labels wanted;
  if (explicitResult) {
    FailureOr<Labels> labels = parseTerm(n, right, dots);
    if (failed(labels))
      return failure();
    wanted = *labels;
  } else {
    // Those of "...", then the letters that stand once, in their order.
    for (size_t i = dots; i > 0; --i)
      wanted.push_back(-int(i));
    std::string letters = left.str();
    llvm::erase_if(letters, [](char c) { return !llvm::isAlpha(c); });
    llvm::sort(letters);
    for (char c : letters)
      if (llvm::count(letters, c) == 1)
        wanted.push_back(c);
  }
  for (auto [i, label] : llvm::enumerate(wanted)) {
    bool given = llvm::any_of(operands, [label = label](const Labelled &t) {
      return has(t.labels, label);
    });
    if (!given || has(ArrayRef<int>(wanted).take_front(i), label))
      return n.fail("its result's labels must stand in it once, and in a term");
  }
  if (failed(agree(n, operands)))
    return failure();
  Labelled result = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    Labels needed = wanted;
    for (const Labelled &later : ArrayRef(operands).drop_front(i + 1))
      llvm::append_range(needed, later.labels);
    result = contract(n, result, operands[i], needed);
  }
  sumOut(n, result, wanted);
  return n.result(ordered(n, result, wanted), n.type(0));
}

} // namespace

void addContractionOps(OpTable &table) {
  table["Einsum"] = einsum;
  table["Gemm"] = gemm;
}

} // namespace mapsto::onnx
