//===- PrintForms.cpp - What is several ops, and one thing to say ---------===//

#include "frontends/language/Printer.h"

#include "dialect/Builders.h"

#include <cmath>

using namespace mapsto;
using namespace mlir;

/// `value`'s op if it is an `Op` that `user` alone reads, in its own block.
template <typename Op> static Op partOf(Operation *user, Value value) {
  auto op = value.getDefiningOp<Op>();
  return op && op->hasOneUse() && op->getBlock() == user->getBlock() ? op
                                                                     : Op();
}

/// `linear(x, weight)` of a matrix, or of one row that is no matrix.
static std::optional<Form> productOf(Operation *root) {
  Form form{Form::Kind::Linear, {}};
  auto product = dyn_cast<MatmulOp>(root);
  if (auto row = dyn_cast<ReshapeOp>(root)) {
    product = partOf<MatmulOp>(row, row.getX());
    if (!product || dimsOf(product.getResult()).size() != 2 ||
        dimsOf(row.getResult()).size() != 1 ||
        dimOf(product.getResult(), 0) != Dim(1))
      return std::nullopt;
    auto matrix = partOf<ReshapeOp>(product, product.getLhs());
    if (!matrix || dimsOf(matrix.getX()).size() != 1)
      return std::nullopt;
    form.parts = {product, matrix};
    form.x = matrix.getX();
  }
  if (!product || !product.getTransposed() ||
      dimsOf(product.getRhs()).size() != 2)
    return std::nullopt;
  if (!form.x)
    form.x = product.getLhs();
  form.weight = product.getRhs();
  return form;
}

static std::optional<Form> biasedOf(AddOp root) {
  for (bool first : {true, false}) {
    Value side = first ? root.getLhs() : root.getRhs();
    Value bias = unbroadcast(first ? root.getRhs() : root.getLhs());
    Operation *product = partOf<MatmulOp>(root, side);
    if (!product)
      product = partOf<ReshapeOp>(root, side);
    auto form = product ? productOf(product) : std::nullopt;
    if (!form || dimsOf(bias) != Dims{dimOf(form->weight, 0)})
      continue;
    form->parts.push_back(product);
    form->bias = bias;
    return form;
  }
  return std::nullopt;
}

/// `conv1d(x, weight, bias)`.
static std::optional<Form> convolutionOf(AddOp root) {
  for (bool first : {true, false}) {
    auto product =
        partOf<Conv1dOp>(root, first ? root.getLhs() : root.getRhs());
    Value column = unbroadcast(first ? root.getRhs() : root.getLhs());
    auto reshape = column.getDefiningOp<ReshapeOp>();
    if (!product || !reshape)
      continue;
    Dim channels = dimOf(product.getWeight(), 0);
    Dims shape = dimsOf(column);
    shape.insert(shape.begin(), 3 - std::min<size_t>(shape.size(), 3), Dim(1));
    if (dimsOf(reshape.getX()) != Dims{channels} ||
        shape != Dims{Dim(1), channels, Dim(1)})
      continue;
    Form form{Form::Kind::Convolution, {product, reshape}};
    form.bias = reshape.getX();
    form.convolution = product;
    return form;
  }
  return std::nullopt;
}

/// `sum(x, axis, keepdims = true)`.
static std::optional<Form> keptOf(ReshapeOp root) {
  auto reduce = partOf<ReduceOp>(root, root.getX());
  if (!reduce)
    return std::nullopt;
  Dims dims = dimsOf(reduce.getX());
  for (int64_t axis : reduce.getAxes())
    dims[size_t(axis)] = Dim(1);
  if (dims != dimsOf(root.getResult()))
    return std::nullopt;
  Form form{Form::Kind::Reduction, {reduce}};
  form.reduce = reduce;
  form.keepDims = true;
  return form;
}

/// A sum over as many as it is divided by.
static std::optional<Form> meanOf(DivOp root) {
  Form form{Form::Kind::Mean, {}};
  form.reduce = partOf<ReduceOp>(root, root.getLhs());
  if (auto kept = partOf<ReshapeOp>(root, root.getLhs()))
    if (auto inner = keptOf(kept)) {
      form = *inner;
      form.kind = Form::Kind::Mean;
      form.parts.push_back(kept);
    }
  if (!form.reduce || form.reduce.getKind() != ReduceKind::sum ||
      !isa<FloatType>(elementTypeOf(root.getResult())))
    return std::nullopt;
  if (form.parts.empty())
    form.parts = {form.reduce};
  Dim count(1);
  for (int64_t axis : form.reduce.getAxes())
    count *= dimOf(form.reduce.getX(), axis);
  Value divisor = unbroadcast(root.getRhs());
  if (auto cast = divisor.getDefiningOp<CastOp>())
    divisor = cast.getX();
  auto number = uniformValue(divisor);
  auto size = divisor.getDefiningOp<SizeOp>();
  bool isCount = number && count.constant() && *number == *count.constant();
  if (!isCount && !(size && *Dim::parse(size.getDim()) == count))
    return std::nullopt;
  return form;
}

/// `x[:, -1, :]`: a reshape that only drops the axes of single elements.
static std::optional<Form> elementOf(ReshapeOp root) {
  auto slice = partOf<SliceOp>(root, root.getX());
  if (!slice)
    return std::nullopt;
  Form form{Form::Kind::Element, {slice}};
  form.slice = slice;
  // Axes go where one element of several was taken, and nowhere else.
  Dims whole = dimsOf(slice.getX()), sizes = dimsOf(slice.getResult());
  Dims kept;
  for (size_t i = 0; i < sizes.size(); ++i) {
    form.dropped.push_back(sizes[i] == Dim(1) && whole[i] != Dim(1));
    if (!form.dropped.back())
      kept.push_back(sizes[i]);
  }
  return kept == dimsOf(root.getResult()) ? std::optional(form) : std::nullopt;
}

std::optional<Form> mapsto::formOf(Operation *root) {
  if (auto reshape = dyn_cast<ReshapeOp>(root)) {
    if (auto form = elementOf(reshape))
      return form;
    if (auto form = keptOf(reshape))
      return form;
  }
  if (auto add = dyn_cast<AddOp>(root)) {
    if (auto form = biasedOf(add))
      return form;
    return convolutionOf(add);
  }
  if (auto div = dyn_cast<DivOp>(root))
    return meanOf(div);
  return productOf(root);
}

bool mapsto::isPartOfForm(Operation *op) {
  // No form is deeper than this.
  Operation *user = op;
  for (int i = 0; i < 4; ++i) {
    if (!user->hasOneUse())
      return false;
    user = *user->user_begin();
    auto form = formOf(user);
    if (form && llvm::is_contained(form->parts, op))
      return true;
  }
  return false;
}
