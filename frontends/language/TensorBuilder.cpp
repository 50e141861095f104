//===- TensorBuilder.cpp --------------------------------------------------===//

#include "frontends/language/TensorBuilder.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/SmallVectorExtras.h"

using namespace mapsto;
using namespace mlir;

std::optional<Dims> mapsto::broadcastShapes(const Dims &a, const Dims &b,
                                            std::pair<Dim, Dim> *clash) {
  size_t rank = std::max(a.size(), b.size());
  Dims result(rank);
  for (size_t i = 0; i < rank; ++i) {
    Dim x = i + a.size() >= rank ? a[i + a.size() - rank] : Dim(1);
    Dim y = i + b.size() >= rank ? b[i + b.size() - rank] : Dim(1);
    if (x == y || y == Dim(1)) {
      result[i] = x;
    } else if (x == Dim(1)) {
      result[i] = y;
    } else {
      if (clash)
        *clash = {x, y};
      return std::nullopt;
    }
  }
  return result;
}

bool mapsto::isFloat(Type type) { return isa<FloatType>(type); }
bool mapsto::isBool(Type type) { return type.isInteger(1); }

/// Position in the order of promotion.
static unsigned rankOf(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return integer.getWidth();
  return type.isF64() ? 400 : type.isF32() ? 300 : 200;
}

Type mapsto::promote(Type a, Type b) {
  if (a == b)
    return a;
  for (auto [one, other] : {std::pair(a, b), std::pair(b, a)})
    if (one.isUnsignedInteger() && other.isSignlessInteger() &&
        !isBool(other)) {
      unsigned bits = 2 * one.getIntOrFloatBitWidth();
      return bits > 64 ? one
                       : promote(IntegerType::get(a.getContext(), bits), other);
    }
  unsigned x = rankOf(a), y = rankOf(b);
  if (x == y)
    return Float32Type::get(a.getContext());
  return x > y ? a : b;
}

Value TensorBuilder::constant(double value, Type type) {
  if (!isFloat(type))
    return constantInt(int64_t(value), type);
  auto tensor = RankedTensorType::get({}, type);
  return ConstantOp::create(
      builder, loc,
      DenseElementsAttr::get(tensor,
                             Attribute(builder.getFloatAttr(type, value))));
}

Value TensorBuilder::constantInt(int64_t value, Type type) {
  if (isFloat(type))
    return constant(double(value), type);
  auto tensor = RankedTensorType::get({}, type);
  Attribute attr = isBool(type)
                       ? Attribute(builder.getBoolAttr(value != 0))
                       : Attribute(builder.getIntegerAttr(type, value));
  return ConstantOp::create(builder, loc, DenseElementsAttr::get(tensor, attr));
}

Value TensorBuilder::size(const Dim &dim) {
  if (auto value = dim.constant())
    return constantInt(*value, i64());
  return SizeOp::create(builder, loc, RankedTensorType::get({}, i64()),
                        dim.str());
}

Value TensorBuilder::cast(Value x, Type type) {
  if (elementTypeOf(x) == type)
    return x;
  // A number of the source takes the wanted type at once.
  if (auto op = x.getDefiningOp<ConstantOp>()) {
    auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
    if (dense && dense.getNumElements() == 1 &&
        dense.getType().getRank() == 0) {
      if (auto f = dyn_cast<FloatAttr>(dense.getValues<Attribute>()[0])) {
        if (isFloat(type) && rankOf(type) <= rankOf(dense.getElementType()))
          return constant(f.getValueAsDouble(), type);
      } else if (auto i =
                     dyn_cast<IntegerAttr>(dense.getValues<Attribute>()[0])) {
        Type element = dense.getElementType();
        int64_t n = isBool(element) || element.isUnsignedInteger()
                        ? i.getValue().getZExtValue()
                        : i.getValue().getSExtValue();
        if (!isBool(type))
          return constantInt(n, type);
      }
    }
  }
  return CastOp::create(builder, loc, tensorOf(dimsOf(x), type), x);
}

Value TensorBuilder::broadcast(Value x, const Dims &dims) {
  if (dimsOf(x) == dims)
    return x;
  return BroadcastOp::create(builder, loc, tensorOf(dims, elementTypeOf(x)), x);
}

Value TensorBuilder::reshape(Value x, const Dims &dims) {
  if (dimsOf(x) == dims)
    return x;
  return ReshapeOp::create(builder, loc, tensorOf(dims, elementTypeOf(x)), x);
}

Value TensorBuilder::transpose(Value x, ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return x;
  return TransposeOp::create(builder, loc, x, permutation);
}

Value TensorBuilder::swapAxes(Value x, int64_t a, int64_t b) {
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, dimsOf(x).size()));
  std::swap(permutation[a], permutation[b]);
  return transpose(x, permutation);
}

Value TensorBuilder::unsqueeze(Value x, int64_t axis) {
  Dims dims = dimsOf(x);
  dims.insert(dims.begin() + axis, Dim(1));
  return reshape(x, dims);
}

Value TensorBuilder::squeeze(Value x, int64_t axis) {
  Dims dims = dimsOf(x);
  dims.erase(dims.begin() + axis);
  return reshape(x, dims);
}

Value TensorBuilder::slice(Value x, int64_t axis, const Dim &start,
                           const Dim &size, int64_t step) {
  Dims sizes = dimsOf(x);
  if (sizes[axis] == size && start == Dim(0) && step == 1)
    return x;
  Dims starts(sizes.size(), Dim(0));
  SmallVector<int64_t> steps(sizes.size(), 1);
  starts[axis] = start;
  sizes[axis] = size;
  steps[axis] = step;
  MLIRContext *context = builder.getContext();
  return SliceOp::create(builder, loc, x, DimsAttr::get(context, starts),
                         DimsAttr::get(context, sizes), steps);
}

Value TensorBuilder::iota(const Dims &dims, int64_t axis) {
  return IotaOp::create(builder, loc, tensorOf(dims, i64()), axis);
}

Value TensorBuilder::reduce(ReduceKind kind, Value x, ArrayRef<int64_t> axes,
                            bool keepDims) {
  Dims dims = dimsOf(x);
  for (int64_t axis : axes)
    dims[axis] = Dim(1);
  Value result =
      axes.empty() ? x
                   : ReduceOp::create(builder, loc, kind, x, axes).getResult();
  return keepDims ? reshape(result, dims) : result;
}

Value TensorBuilder::matmul(Value lhs, Value rhs, bool transposed) {
  Type type = promote(elementTypeOf(lhs), elementTypeOf(rhs));
  lhs = cast(lhs, type);
  rhs = cast(rhs, type);
  Dims l = dimsOf(lhs), r = dimsOf(rhs);
  if (r.size() > 2) {
    Dims lb(l.begin(), l.end() - 2), rb(r.begin(), r.end() - 2);
    Dims batch = *broadcastShapes(lb, rb);
    Dims left = batch, right = batch;
    left.append(l.end() - 2, l.end());
    right.append(r.end() - 2, r.end());
    lhs = broadcast(lhs, left);
    rhs = broadcast(rhs, right);
  }
  return MatmulOp::create(builder, loc, lhs, rhs, transposed);
}

Value TensorBuilder::linear(Value x, Value weight) {
  Dims dims = dimsOf(x);
  if (dims.size() > 1)
    return matmul(x, weight, /*transposed=*/true);
  Value row = matmul(reshape(x, {Dim(1), dims[0]}), weight, true);
  return squeeze(row, 0);
}

void TensorBuilder::unify(Value &a, Value &b) {
  Type type = promote(elementTypeOf(a), elementTypeOf(b));
  a = cast(a, type);
  b = cast(b, type);
  Dims dims = *broadcastShapes(dimsOf(a), dimsOf(b));
  a = broadcast(a, dims);
  b = broadcast(b, dims);
}

Value TensorBuilder::select(Value condition, Value x, Value y) {
  unify(x, y);
  Dims dims = *broadcastShapes(dimsOf(condition), dimsOf(x));
  return SelectOp::create(builder, loc, broadcast(condition, dims),
                          broadcast(x, dims), broadcast(y, dims));
}
