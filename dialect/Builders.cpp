//===- Builders.cpp - Graph ops built the way people write them -----------===//

#include "dialect/Builders.h"

#include <numeric>

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Literals
//===----------------------------------------------------------------------===//

static APFloat roundedTo(double value, FloatType type) {
  APFloat result(value);
  bool losesInfo;
  result.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return result;
}

static APInt truncatedTo(int64_t value, Type type) {
  unsigned width = type.getIntOrFloatBitWidth();
  if (width == 1)
    value = value != 0;
  return APInt(width, static_cast<uint64_t>(value), /*isSigned=*/true,
               /*implicitTrunc=*/true);
}

DenseElementsAttr splatAttr(RankedTensorType type, double value) {
  Type element = type.getElementType();
  if (auto floating = dyn_cast<FloatType>(element))
    return DenseElementsAttr::get(type, roundedTo(value, floating));
  int64_t whole =
      element.isInteger(1) ? value != 0 : static_cast<int64_t>(value);
  return DenseElementsAttr::get(type, truncatedTo(whole, element));
}

Value scalar(OpBuilder &b, Location loc, double value, Type elementType) {
  return ConstantOp::create(
      b, loc, splatAttr(RankedTensorType::get({}, elementType), value));
}

Value scalar(OpBuilder &b, Location loc, int64_t value, Type elementType) {
  if (isa<FloatType>(elementType))
    return scalar(b, loc, static_cast<double>(value), elementType);
  return ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(RankedTensorType::get({}, elementType),
                             truncatedTo(value, elementType)));
}

Value splat(OpBuilder &b, Location loc, double value, Type tensorType) {
  auto type = cast<RankedTensorType>(tensorType);
  return broadcastTo(b, loc, scalar(b, loc, value, type.getElementType()),
                     dimsOf(type));
}

std::optional<double> uniformValue(Value x) {
  Operation *op = x.getDefiningOp();
  while (isa_and_nonnull<BroadcastOp, ReshapeOp>(op))
    op = op->getOperand(0).getDefiningOp();
  auto constant = dyn_cast_or_null<ConstantOp>(op);
  auto literal =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  if (!literal || !literal.isSplat())
    return std::nullopt;
  if (isa<FloatType>(literal.getElementType())) {
    APFloat value = literal.getSplatValue<APFloat>();
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    return value.convertToDouble();
  }
  APInt value = literal.getSplatValue<APInt>();
  return isZeroExtended(literal.getElementType())
             ? static_cast<double>(value.getZExtValue())
             : static_cast<double>(value.getSExtValue());
}

//===----------------------------------------------------------------------===//
// Broadcasting
//===----------------------------------------------------------------------===//

FailureOr<Dims> broadcastDims(ArrayRef<Dim> a, ArrayRef<Dim> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  Dims result(a.begin(), a.end());
  size_t offset = a.size() - b.size();
  for (auto [i, dim] : llvm::enumerate(b)) {
    Dim &common = result[offset + i];
    if (common == Dim(1))
      common = dim;
    else if (dim != common && dim != Dim(1))
      return failure();
  }
  return result;
}

Value broadcastTo(OpBuilder &b, Location loc, Value x, ArrayRef<Dim> dims) {
  RankedTensorType type = tensorOf(dims, elementTypeOf(x));
  return type == x.getType() ? x : BroadcastOp::create(b, loc, type, x);
}

FailureOr<std::pair<Value, Value>> broadcastTogether(OpBuilder &b, Location loc,
                                                     Value lhs, Value rhs) {
  FailureOr<Dims> dims = broadcastDims(dimsOf(lhs), dimsOf(rhs));
  if (failed(dims))
    return failure();
  return std::pair(broadcastTo(b, loc, lhs, *dims),
                   broadcastTo(b, loc, rhs, *dims));
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

Value reshape(OpBuilder &b, Location loc, Value x, ArrayRef<Dim> dims) {
  RankedTensorType type = tensorOf(dims, elementTypeOf(x));
  return type == x.getType() ? x : ReshapeOp::create(b, loc, type, x);
}

Value transpose(OpBuilder &b, Location loc, Value x,
                ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return x;
  return TransposeOp::create(b, loc, x, permutation);
}

Value slice(OpBuilder &b, Location loc, Value x, ArrayRef<Dim> starts,
            ArrayRef<Dim> sizes, ArrayRef<int64_t> steps) {
  bool takesAll = ArrayRef(dimsOf(x)) == sizes &&
                  llvm::all_of(steps, [](int64_t step) { return step == 1; });
  if (takesAll)
    return x;
  MLIRContext *context = b.getContext();
  return SliceOp::create(b, loc, x, DimsAttr::get(context, starts),
                         DimsAttr::get(context, sizes), steps);
}

Value slice(OpBuilder &b, Location loc, Value x, int64_t axis, const Dim &start,
            const Dim &size, int64_t step) {
  Dims sizes = dimsOf(x), starts(sizes.size());
  SmallVector<int64_t> steps(sizes.size(), 1);
  starts[axis] = start;
  sizes[axis] = size;
  steps[axis] = step;
  return slice(b, loc, x, starts, sizes, steps);
}

Value cast(OpBuilder &b, Location loc, Value x, Type elementType) {
  if (elementTypeOf(x) == elementType)
    return x;
  return CastOp::create(b, loc, tensorOf(dimsOf(x), elementType), x);
}

Value reduce(OpBuilder &b, Location loc, ReduceKind kind, Value x,
             ArrayRef<int64_t> axes, bool keepDims) {
  if (axes.empty())
    return x;
  SmallVector<int64_t> ordered(axes);
  llvm::sort(ordered);
  Value reduced = ReduceOp::create(b, loc, kind, x, ordered);
  if (!keepDims)
    return reduced;
  Dims dims = dimsOf(x);
  for (int64_t axis : axes)
    dims[axis] = Dim(1);
  return reshape(b, loc, reduced, dims);
}

Value linear(OpBuilder &b, Location loc, Value x, Value transposedWeight,
             Value bias) {
  Dims dims = dimsOf(x);
  Dim rows = numElements(ArrayRef(dims).drop_back());
  Value matrix = reshape(b, loc, x, {rows, dims.back()});
  Value product = MatmulOp::create(b, loc, matrix, transposedWeight,
                                   /*transposed=*/true);
  dims.back() = dimOf(transposedWeight, 0);
  product = reshape(b, loc, product, dims);
  if (!bias)
    return product;
  return AddOp::create(b, loc, product, broadcastTo(b, loc, bias, dims));
}

} // namespace mapsto
