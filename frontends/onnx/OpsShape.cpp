//===- OpsShape.cpp - Shapes, and where elements are ----------------------===//

#include "frontends/onnx/Folding.h"
#include "frontends/onnx/Ops.h"

#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

LogicalResult identity(Node &n) {
  n.give(0, n.value(0));
  return success();
}

/// A literal. Its tensor is read from the attribute that the node has.
LogicalResult constant(Node &n) {
  Value value;
  if (const AttributeProto *a = n.attribute("value")) {
    if (failed(n.importer.readData(n.proto, a->t(), value)))
      return failure();
  } else if (const AttributeProto *a = n.attribute("value_int")) {
    value.type = n.b.getI64Type();
    value.known = Known::scalar(Dim(a->i()));
  } else if (const AttributeProto *a = n.attribute("value_ints")) {
    value.type = n.b.getI64Type();
    value.known =
        Known::list(SmallVector<Dim>(a->ints().begin(), a->ints().end()));
  } else if (n.hasAttribute("value_float") || n.hasAttribute("value_floats")) {
    TensorProto tensor;
    tensor.set_data_type(TensorProto::FLOAT);
    if (const AttributeProto *list = n.attribute("value_floats")) {
      tensor.add_dims(list->floats_size());
      *tensor.mutable_float_data() = list->floats();
    } else {
      tensor.add_float_data(n.attribute("value_float")->f());
    }
    if (failed(n.importer.readData(n.proto, tensor, value)))
      return failure();
  } else {
    return n.fail("a constant of this kind is not supported");
  }
  n.give(0, std::move(value));
  return success();
}

LogicalResult shape(Node &n) {
  Dims dims = n.dims(0);
  int64_t rank = int64_t(dims.size());
  auto clamp = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  int64_t start = clamp(n.attr("start", 0)), end = clamp(n.attr("end", rank));
  return n.result(
      Known::list(ArrayRef<Dim>(dims).slice(
          size_t(start), size_t(std::max<int64_t>(end - start, 0)))),
      n.b.getI64Type());
}

LogicalResult size(Node &n) {
  return n.result(Known::scalar(numElements(n.dims(0))), n.b.getI64Type());
}

/// The tensor under another shape; known numbers stay known.
LogicalResult underShape(Node &n, ArrayRef<Dim> dims) {
  std::optional<Known> folded;
  bool fixedSizes =
      llvm::all_of(dims, [](const Dim &d) { return d.isConstant(); });
  if (const Known *known = n.known(0); known && fixedSizes) {
    folded = *known;
    folded->shape.clear();
    for (const Dim &dim : dims)
      folded->shape.push_back(*dim.constant());
  }
  return n.resultOr(std::move(folded), n.type(0), [&] {
    return FailureOr<mlir::Value>(mapsto::reshape(n.b, n.loc, n.in(0), dims));
  });
}

/// A shape as Reshape is given it: 0 keeps x's size there, one -1 is what
/// remains.
LogicalResult reshape(Node &n) {
  Dims from = n.dims(0), dims;
  bool allowZero = n.attr("allowzero", 0) != 0;
  if (n.opset() < 5) {
    for (int64_t size : n.attrInts("shape"))
      dims.push_back(Dim(size));
  } else {
    FailureOr<SmallVector<Dim>> given = n.sizes(1);
    if (failed(given))
      return failure();
    dims.assign(given->begin(), given->end());
  }
  std::optional<size_t> rest;
  Dim others = 1;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (dim == Dim(0) && !allowZero) {
      if (size_t(i) >= from.size())
        return n.fail("axis " + Twine(i) + " keeps its size, and " + str(from) +
                      " has none there");
      dim = from[size_t(i)];
    }
    if (dim == Dim(-1)) {
      if (rest)
        return n.fail("two sizes of a shape are -1");
      rest = size_t(i);
    } else {
      others *= dim;
    }
  }
  Dim all = numElements(from);
  if (rest) {
    if (others == Dim(0))
      return n.fail("-1 beside a size of 0 has no answer");
    auto exact = Dim::exactDiv(all, others);
    dims[*rest] = exact ? *exact : Dim::floorDiv(all, others);
  } else if (others.isConstant() && all.isConstant() && others != all) {
    return n.fail(str(from) + " has not the elements of " + str(dims));
  }
  return underShape(n, dims);
}

/// The axes of Squeeze and Unsqueeze: an attribute until opset 12.
FailureOr<SmallVector<int64_t>> axesOf(Node &n, int64_t rank) {
  if (n.opset() < 13)
    return n.axes(n.attrInts("axes"), rank);
  FailureOr<SmallVector<int64_t>> given = n.ints(1);
  if (failed(given))
    return failure();
  return n.axes(*given, rank);
}

LogicalResult unsqueeze(Node &n) {
  Dims from = n.dims(0), dims;
  size_t more = 0;
  if (n.opset() < 13) {
    more = n.attrInts("axes").size();
  } else {
    FailureOr<SmallVector<int64_t>> given = n.ints(1);
    if (failed(given))
      return failure();
    more = given->size();
  }
  FailureOr<SmallVector<int64_t>> axes = axesOf(n, int64_t(from.size() + more));
  if (failed(axes))
    return failure();
  for (size_t i = 0, next = 0; i < from.size() + more; ++i)
    dims.push_back(llvm::is_contained(*axes, int64_t(i)) ? Dim(1)
                                                         : from[next++]);
  return underShape(n, dims);
}

LogicalResult squeeze(Node &n) {
  Dims from = n.dims(0), dims;
  bool all = n.opset() < 13 ? !n.hasAttribute("axes") : !n.has(1);
  SmallVector<int64_t> axes;
  if (!all) {
    FailureOr<SmallVector<int64_t>> given = axesOf(n, int64_t(from.size()));
    if (failed(given))
      return failure();
    axes = *given;
  }
  for (auto [i, dim] : llvm::enumerate(from)) {
    bool dropped = all ? dim == Dim(1) : llvm::is_contained(axes, int64_t(i));
    if (!dropped)
      dims.push_back(dim);
    else if (dim.isConstant() && dim != Dim(1))
      return n.fail("axis " + Twine(i) + " of " + str(from) +
                    " is not of size 1");
  }
  return underShape(n, dims);
}

LogicalResult transpose(Node &n) {
  int64_t rank = n.rank(0);
  SmallVector<int64_t> reversed =
      llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  FailureOr<SmallVector<int64_t>> permutation =
      n.axes(n.attrInts("perm", reversed), rank);
  if (failed(permutation))
    return failure();
  if (int64_t(permutation->size()) != rank)
    return n.fail("`perm` has not one axis for each of " + str(n.dims(0)));
  return n.result(mapsto::transpose(n.b, n.loc, n.in(0), *permutation),
                  n.type(0));
}

LogicalResult concat(Node &n) {
  FailureOr<int64_t> axis = n.axis(n.attr("axis", 0), n.rank(0));
  if (failed(axis))
    return failure();
  std::optional<Known> folded = Known{};
  for (size_t i = 0; i < n.numInputs() && folded; ++i) {
    const Known *part = n.known(i);
    if (!part || part->shape.size() != 1) {
      folded.reset();
      break;
    }
    llvm::append_range(folded->elements, part->elements);
    assume(*folded, *part);
  }
  if (folded)
    folded->shape = {int64_t(folded->elements.size())};
  return n.resultOr(
      std::move(folded), n.type(0), [&]() -> FailureOr<mlir::Value> {
        SmallVector<mlir::Value> parts;
        Dims first = n.dims(0);
        for (size_t i = 0; i < n.numInputs(); ++i) {
          Dims dims = n.dims(i);
          if (dims.size() != first.size())
            return n.fail("its inputs are " + str(first) + " and " + str(dims));
          for (size_t a = 0; a < dims.size(); ++a)
            if (int64_t(a) != *axis && !n.equal(first[a], dims[a]))
              return n.fail("its inputs are " + str(first) + " and " +
                            str(dims));
          parts.push_back(n.in(i));
        }
        return mlir::Value(ConcatOp::create(n.b, n.loc, parts, *axis));
      });
}

LogicalResult matmul(Node &n) {
  FailureOr<mlir::Value> product = matrixProduct(n, n.in(0), n.in(1));
  return failed(product) ? failure() : n.result(*product, n.type(0));
}

} // namespace

FailureOr<mlir::Value> matrixProduct(Node &n, mlir::Value x, mlir::Value y) {
  Dims xs = dimsOf(x), ys = dimsOf(y);
  if (xs.empty() || ys.empty())
    return n.fail("a scalar has no matrix product");
  bool row = xs.size() == 1, column = ys.size() == 1;
  if (row)
    x = mapsto::reshape(n.b, n.loc, x, Dims{1, xs[0]});
  if (column)
    y = mapsto::reshape(n.b, n.loc, y, Dims{ys[0], 1});
  xs = dimsOf(x);
  ys = dimsOf(y);
  if (!n.equal(xs.back(), ys[ys.size() - 2]))
    return n.fail(str(dimsOf(x)) + " by " + str(dimsOf(y)) +
                  " is no matrix product");
  ArrayRef<Dim> xBatch = ArrayRef<Dim>(xs).drop_back(2);
  ArrayRef<Dim> yBatch = ArrayRef<Dim>(ys).drop_back(2);
  FailureOr<Dims> batch = broadcastDims(xBatch, yBatch);
  if (failed(batch))
    return n.fail(str(dimsOf(x)) + " by " + str(dimsOf(y)) +
                  " is no matrix product");
  auto fit = [&](mlir::Value v, const Dims &dims) {
    Dims whole = *batch;
    whole.append(dims.end() - 2, dims.end());
    return broadcastTo(n.b, n.loc, v, whole);
  };
  x = fit(x, xs);
  if (!yBatch.empty()) // one matrix serves all batches
    y = fit(y, ys);
  mlir::Value product =
      MatmulOp::create(n.b, n.loc, x, y, /*transposed=*/false);
  Dims dims = *batch;
  if (!row)
    dims.push_back(xs[xs.size() - 2]);
  if (!column)
    dims.push_back(ys.back());
  return mapsto::reshape(n.b, n.loc, product, dims);
}

void addShapeOps(OpTable &table) {
  table["Concat"] = concat;
  table["Constant"] = constant;
  table["Identity"] = identity;
  table["MatMul"] = matmul;
  table["Reshape"] = reshape;
  table["Shape"] = shape;
  table["Size"] = size;
  table["Squeeze"] = squeeze;
  table["Transpose"] = transpose;
  table["Unsqueeze"] = unsqueeze;
}

} // namespace mapsto::onnx
