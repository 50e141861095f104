//===- OpsQuantize.cpp - Whole numbers for real ones ----------------------===//
//
// A real number is (q - zero point) * scale. Scales and zero points are scalars
// or have an axis of x's, or a number for each block along one.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"
#include "frontends/onnx/Quantized.h"
#include "frontends/onnx/SmallFloats.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

bool isQuantized(Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  return integer && integer.getWidth() > 1 && integer.getWidth() <= 16;
}

/// The element type that the attribute asks for, else `otherwise`.
FailureOr<Type> outputType(Node &n, Type otherwise) {
  int64_t asked = n.attr("output_dtype", 0);
  if (!asked)
    return otherwise;
  if (Type type = typeOf(n.b.getContext(), int32_t(asked)))
    return type;
  return n.fail("elements of " + nameOf(int32_t(asked)) + " are not supported");
}

/// Scales and zero points as something that broadcasts with x, as the
/// attributes say which axis and which blocks they are of.
class Spread {
public:
  static FailureOr<Spread> of(Node &n) {
    Spread spread(n);
    int64_t axis = n.attr("axis", 1);
    spread.block = n.attr("block_size", 0);
    Dims scales = n.dims(1);
    if (numElements(scales) == Dim(1))
      return spread;
    FailureOr<int64_t> positive = n.axis(axis, int64_t(spread.dims.size()));
    if (failed(positive))
      return failure();
    spread.axis = *positive;
    Dim along = spread.dims[size_t(*positive)];
    if (!spread.block && scales.size() == 1) {
      if (scales[0] == along)
        return spread;
      return n.fail("a scale of shape " + str(scales) + " for the axis of " +
                    along.str() + " in " + str(spread.dims));
    }
    if (spread.block <= 0 || scales.size() != spread.dims.size())
      return n.fail("a scale of shape " + str(scales) + " for " +
                    str(spread.dims) + " with block_size " +
                    Twine(spread.block));
    Dims blocks = spread.dims;
    blocks[size_t(*positive)] = Dim::ceilDiv(along, Dim(spread.block));
    if (scales != blocks)
      return n.fail("a scale of shape " + str(scales) + ", not " + str(blocks) +
                    ", for " + str(spread.dims) + " with block_size " +
                    Twine(spread.block));
    return spread;
  }

  /// Input `i`, a scale or zero point; null where it is left out.
  FailureOr<mlir::Value> operator()(size_t i) const {
    if (!n.has(i))
      return mlir::Value();
    mlir::Value x = n.in(i);
    if (numElements(dimsOf(x)) == Dim(1))
      return reshape(n.b, n.loc, x, {});
    if (dimsOf(x) != n.dims(1))
      return n.fail("a zero point of shape " + str(dimsOf(x)) +
                    " beside a scale of shape " + str(n.dims(1)));
    Dims shape(dims.size(), Dim(1));
    if (!block) {
      shape[size_t(*axis)] = dims[size_t(*axis)];
      return reshape(n.b, n.loc, x, shape);
    }
    // Each number as often as its block is long.
    Dims once = dimsOf(x), often, flat = once;
    for (auto [k, dim] : llvm::enumerate(once)) {
      often.push_back(dim);
      if (int64_t(k) == *axis)
        often.push_back(Dim(block));
    }
    once.insert(once.begin() + *axis + 1, Dim(1));
    flat[size_t(*axis)] *= Dim(block);
    x = reshape(n.b, n.loc, x, once);
    x = reshape(n.b, n.loc, broadcastTo(n.b, n.loc, x, often), flat);
    const Dim &along = dims[size_t(*axis)];
    return flat[size_t(*axis)] == along
               ? x
               : slice(n.b, n.loc, x, *axis, Dim(0), along);
  }

private:
  explicit Spread(Node &n) : n(n), dims(n.dims(0)) {}
  Node &n;
  Dims dims; ///< of x
  std::optional<int64_t> axis;
  int64_t block = 0;
};

LogicalResult quantizeLinear(Node &n) {
  Numbers with(n);
  bool saturate = n.attr("saturate", 1) != 0; // floats of 8 bits
  Type zeroType = n.type(2);
  FailureOr<Type> type = outputType(
      n, zeroType ? zeroType : n.b.getIntegerType(8, /*isSigned=*/false));
  FailureOr<Spread> spread = Spread::of(n);
  if (failed(type) || failed(spread))
    return failure();
  if (!isQuantized(*type) &&
      (!isSmallFloat(*type) || isa<Float8E8M0FNUType>(*type)))
    return n.fail("it quantizes to " + nameOf(dataTypeOf(*type)) +
                  ": only integers of 2 to 16 bits and floats of 4 and 8 are "
                  "supported");
  if (zeroType && zeroType != *type)
    return n.fail("its zero point is not of its output_dtype");
  FailureOr<mlir::Value> scale = (*spread)(1), zero = (*spread)(2);
  if (failed(scale) || failed(zero))
    return failure();
  Type precision = n.type(1);
  if (int64_t asked = n.attr("precision", 0))
    precision = typeOf(n.b.getContext(), int32_t(asked));
  if (!isa_and_nonnull<FloatType>(precision) || isSmallFloat(precision))
    return n.fail("its scale is not of a float type that is supported");
  mlir::Value quotient = with.apply<DivOp>(with.to(n.in(0), precision),
                                           with.to(*scale, precision));
  if (isSmallFloat(*type)) { // whose zero point is 0
    if (*zero)
      quotient = with.apply<AddOp>(with.to(quotient, with.f32), *zero);
    return n.result(roundSmall(n.b, n.loc, quotient, *type, {saturate}), *type);
  }
  return n.result(with.saturate(quotient, *zero, *type), *type);
}

LogicalResult dequantizeLinear(Node &n) {
  Numbers with(n);
  FailureOr<Type> type = outputType(n, n.type(1));
  FailureOr<Spread> spread = Spread::of(n);
  if (failed(type) || failed(spread))
    return failure();
  bool ofFloats = isSmallFloat(n.type(0));
  if (!(isa<IntegerType>(n.type(0)) || ofFloats) || !isa<FloatType>(*type) ||
      isSmallFloat(*type))
    return n.fail(
        "it makes " + nameOf(dataTypeOf(*type)) + " of " +
        nameOf(dataTypeOf(n.type(0))) +
        ": it is supported from integers and floats of 4 and 8 bits to "
        "other floats");
  FailureOr<mlir::Value> scale = (*spread)(1), zero = (*spread)(2);
  if (failed(scale) || failed(zero))
    return failure();
  // A product of f16 numbers is rounded once, at the end.
  Type wide = isa<Float64Type>(*type) ? *type : with.f32;
  mlir::Value centred;
  if (!ofFloats)
    centred = with.to(with.centre(n.in(0), *zero), wide);
  else
    centred =
        with.to(*zero ? with.apply<SubOp>(n.in(0), *zero) : n.in(0), wide);
  return n.result(
      with.to(with.apply<MulOp>(centred, with.to(*scale, wide)), *type), *type);
}

/// Outputs 0 to 2: x in 8 bits, its scale and zero point, from x's range (which
/// is made to hold 0). A tensor of zeros has the scale 0.
struct Dynamic {
  mlir::Value q, scale, zero; // q and zero are i32
};
Dynamic quantizeDynamically(Node &n, mlir::Value x) {
  Numbers with(n);
  Type u8 = n.b.getIntegerType(8, /*isSigned=*/false);
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, dimsOf(x).size()));
  mlir::Value none = scalar(n.b, n.loc, 0.0, with.f32);
  mlir::Value most =
      with.apply<MaxOp>(reduce(n.b, n.loc, ReduceKind::max, x, axes), none);
  mlir::Value least =
      with.apply<MinOp>(reduce(n.b, n.loc, ReduceKind::min, x, axes), none);
  mlir::Value scale = with.apply<DivOp>(with.apply<SubOp>(most, least),
                                        scalar(n.b, n.loc, 255.0, with.f32));
  mlir::Value isZero =
      CompareOp::create(n.b, n.loc, ComparePredicate::eq, scale, none);
  mlir::Value divisor = SelectOp::create(
      n.b, n.loc, isZero, scalar(n.b, n.loc, 1.0, with.f32), scale);
  mlir::Value zero = with.saturate(
      with.apply<DivOp>(NegOp::create(n.b, n.loc, least), divisor), {}, u8);
  mlir::Value q = with.saturate(with.apply<DivOp>(x, divisor), zero, u8);
  return {q, scale, zero};
}

LogicalResult dynamicQuantizeLinear(Node &n) {
  Type u8 = n.b.getIntegerType(8, /*isSigned=*/false);
  if (failed(needFloats(n, 0)))
    return failure();
  Dynamic dynamic = quantizeDynamically(n, n.in(0));
  n.give(0, dynamic.q, u8);
  n.give(1, dynamic.scale);
  n.give(2, dynamic.zero, u8);
  return success();
}

/// Input `i`, a scale or zero point of the matrices of input `matrix`: one
/// number, or one for each row (of the left) or column (of the right). Null
/// where it is left out.
FailureOr<mlir::Value> ofMatrix(Node &n, size_t i, size_t matrix, bool rows) {
  if (!n.has(i))
    return mlir::Value();
  mlir::Value x = n.in(i);
  Dims dims = dimsOf(x), whole = n.dims(matrix);
  if (numElements(dims) == Dim(1))
    return reshape(n.b, n.loc, x, {});
  if (dims.size() == 1 && rows) {
    dims.push_back(Dim(1));
    x = reshape(n.b, n.loc, x, dims);
  }
  FailureOr<Dims> fits = broadcastDims(dims, whole);
  if (failed(fits) || *fits != whole)
    return n.fail("its input " + Twine(i) + " of shape " + str(n.dims(i)) +
                  " does not fit its matrices " + str(whole));
  return x;
}

/// (a - zero point) by (b - zero point) in i32; the zero points' input numbers
/// are given.
FailureOr<mlir::Value> integerProduct(Node &n, size_t a, size_t aZero, size_t b,
                                      size_t bZero) {
  Numbers with(n);
  FailureOr<mlir::Value> x = ofMatrix(n, aZero, a, /*rows=*/true);
  FailureOr<mlir::Value> y = ofMatrix(n, bZero, b, /*rows=*/false);
  if (failed(x) || failed(y))
    return failure();
  return matrixProduct(n, with.centre(n.in(a), *x), with.centre(n.in(b), *y));
}

LogicalResult matMulInteger(Node &n) {
  FailureOr<mlir::Value> product = integerProduct(n, 0, 2, 1, 3);
  return failed(product) ? failure() : n.result(*product);
}

/// Input `i` is the zero point of 8-bit integers.
LogicalResult needBytes(Node &n, size_t i) {
  auto integer = dyn_cast<IntegerType>(n.type(i));
  if (integer && integer.getWidth() == 8)
    return success();
  return n.fail("its input " + Twine(i) + " is of " +
                nameOf(dataTypeOf(n.type(i))) + ", expected uint8 or int8");
}

LogicalResult qLinearMatMul(Node &n) {
  Numbers with(n);
  FailureOr<mlir::Value> product = integerProduct(n, 0, 2, 3, 5);
  FailureOr<mlir::Value> aScale = ofMatrix(n, 1, 0, /*rows=*/true);
  FailureOr<mlir::Value> bScale = ofMatrix(n, 4, 3, /*rows=*/false);
  if (failed(product) || failed(aScale) || failed(bScale))
    return failure();
  if (numElements(n.dims(6)) != Dim(1) || numElements(n.dims(7)) != Dim(1))
    return n.fail("scales of the result's rows are not supported");
  if (failed(needBytes(n, 7)))
    return failure();
  auto f32 = [&](mlir::Value x) { return with.to(x, with.f32); };
  auto one = [&](size_t i) { return reshape(n.b, n.loc, n.in(i), {}); };
  FailureOr<mlir::Value> scale =
      binary<MulOp>(n.b, n.loc, f32(*aScale), f32(*bScale));
  if (failed(scale))
    return n.fail("its scales do not fit each other");
  mlir::Value factor = with.apply<DivOp>(*scale, f32(one(6)));
  mlir::Value sum = with.apply<MulOp>(f32(*product), factor);
  return n.result(with.saturate(sum, one(7), n.type(7)), n.type(7));
}

/// com.microsoft: (a - zero point) by (b - zero point), times the scales, plus
/// a bias.
LogicalResult scaledProduct(Node &n, mlir::Value product, mlir::Value scale,
                            size_t bias) {
  Numbers with(n);
  product = with.to(product, with.f32);
  FailureOr<mlir::Value> real = binary<MulOp>(n.b, n.loc, product, scale);
  if (succeeded(real) && n.has(bias))
    real = binary<AddOp>(n.b, n.loc, *real, n.in(bias));
  if (failed(real))
    return n.fail("its scale or bias does not fit " + str(dimsOf(product)));
  return n.result(*real);
}

LogicalResult matMulIntegerToFloat(Node &n) {
  if (failed(needFloats(n, 2)) || failed(needFloats(n, 3)))
    return failure();
  FailureOr<mlir::Value> product = integerProduct(n, 0, 4, 1, 5);
  FailureOr<mlir::Value> aScale = ofMatrix(n, 2, 0, /*rows=*/true);
  FailureOr<mlir::Value> bScale = ofMatrix(n, 3, 1, /*rows=*/false);
  if (failed(product) || failed(aScale) || failed(bScale))
    return failure();
  FailureOr<mlir::Value> scale = binary<MulOp>(n.b, n.loc, *aScale, *bScale);
  if (failed(scale))
    return n.fail("its scales do not fit each other");
  return scaledProduct(n, *product, *scale, 6);
}

LogicalResult dynamicQuantizeMatMul(Node &n) {
  if (failed(needFloats(n, 0)) || failed(needFloats(n, 2)))
    return failure();
  Numbers with(n);
  Dynamic a = quantizeDynamically(n, n.in(0));
  FailureOr<mlir::Value> bScale = ofMatrix(n, 2, 1, /*rows=*/false);
  FailureOr<mlir::Value> bZero = ofMatrix(n, 3, 1, /*rows=*/false);
  if (failed(bScale) || failed(bZero))
    return failure();
  FailureOr<mlir::Value> product =
      matrixProduct(n, with.centre(a.q, a.zero), with.centre(n.in(1), *bZero));
  if (failed(product))
    return failure();
  return scaledProduct(n, *product, with.apply<MulOp>(a.scale, *bScale), 4);
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

/// Input `i`, one number or one for each output channel, in front of `rank`
/// axes. Null where it is left out.
FailureOr<mlir::Value> ofChannels(Node &n, size_t i, const Dim &channels,
                                  size_t rank) {
  if (!n.has(i))
    return mlir::Value();
  Dims dims = n.dims(i);
  if (numElements(dims) == Dim(1))
    return reshape(n.b, n.loc, n.in(i), {});
  if (dims.size() != 1 || dims[0] != channels)
    return n.fail("its input " + Twine(i) + " of shape " + str(dims) +
                  " is not one number for each of " + channels.str() +
                  " channels");
  dims.append(rank, Dim(1));
  return reshape(n.b, n.loc, n.in(i), dims);
}

/// x, input 0, less its zero point with the weight less its own, as i32.
/// Convolutions are of floats: those in which all sums are exact.
FailureOr<mlir::Value> integerConvolution(Node &n, size_t xZero, size_t weight,
                                          size_t weightZero) {
  Numbers with(n);
  Dims sizes = n.dims(weight);
  if (sizes.size() < 3)
    return n.fail("its weight is " + str(sizes) + ", without an axis of space");
  FailureOr<mlir::Value> zero =
      ofChannels(n, weightZero, sizes[0], sizes.size() - 1);
  if (failed(zero))
    return failure();
  if (n.has(xZero) && numElements(n.dims(xZero)) != Dim(1))
    return n.fail("x has a zero point of shape " + str(n.dims(xZero)) +
                  ", which must be one number");
  mlir::Value xZeroPoint =
      n.has(xZero) ? reshape(n.b, n.loc, n.in(xZero), {}) : mlir::Value();
  constexpr int64_t kLargest = 255 * 255; // of two elements of 8 bits
  auto terms = numElements(ArrayRef<Dim>(sizes).drop_front()).constant();
  bool fitsF32 = terms && *terms <= (1 << 24) / kLargest;
  Type exact = fitsF32 ? with.f32 : n.b.getF64Type();
  FailureOr<mlir::Value> sums =
      convolved(n, with.to(with.centre(n.in(0), xZeroPoint), exact),
                with.to(with.centre(n.in(weight), *zero), exact));
  return failed(sums) ? sums : with.to(*sums, with.i32);
}

LogicalResult convInteger(Node &n) {
  FailureOr<mlir::Value> sums = integerConvolution(n, 2, 1, 3);
  return failed(sums) ? failure() : n.result(*sums);
}

LogicalResult qLinearConv(Node &n) {
  Numbers with(n);
  Dims weight = n.dims(3);
  FailureOr<mlir::Value> sums = integerConvolution(n, 2, 3, 5);
  if (failed(sums))
    return failure();
  size_t space = weight.size() - 2;
  FailureOr<mlir::Value> scale = ofChannels(n, 4, weight[0], space);
  FailureOr<mlir::Value> bias = ofChannels(n, 8, weight[0], space);
  if (failed(scale) || failed(bias))
    return failure();
  for (size_t i : {1, 6, 7})
    if (numElements(n.dims(i)) != Dim(1))
      return n.fail("its input " + Twine(i) + " must be one number");
  if (failed(needBytes(n, 7)))
    return failure();
  auto one = [&](size_t i) {
    return with.to(reshape(n.b, n.loc, n.in(i), {}), with.f32);
  };
  mlir::Value sum = *bias ? with.apply<AddOp>(*sums, *bias) : *sums;
  mlir::Value factor = with.apply<DivOp>(
      with.apply<MulOp>(one(1), with.to(*scale, with.f32)), one(6));
  mlir::Value real = with.apply<MulOp>(with.to(sum, with.f32), factor);
  return n.result(with.saturate(real, one(7), n.type(7)), n.type(7));
}

} // namespace

void addQuantizeOps(OpTable &table) {
  table["ConvInteger"] = convInteger;
  table["DequantizeLinear"] = dequantizeLinear;
  table["DynamicQuantizeLinear"] = dynamicQuantizeLinear;
  table["MatMulInteger"] = matMulInteger;
  table["QLinearConv"] = qLinearConv;
  table["QLinearMatMul"] = qLinearMatMul;
  table["QuantizeLinear"] = quantizeLinear;
  table["com.microsoft.DequantizeLinear"] = dequantizeLinear;
  table["com.microsoft.DynamicQuantizeMatMul"] = dynamicQuantizeMatMul;
  table["com.microsoft.MatMulIntegerToFloat"] = matMulIntegerToFloat;
  table["com.microsoft.QuantizeLinear"] = quantizeLinear;
}

} // namespace mapsto::onnx
