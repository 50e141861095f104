#include "frontends/onnx/SmallFloats.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {

bool isSmallFloat(Type type) {
  return isa_and_nonnull<Float8E4M3FNType, Float8E4M3FNUZType, Float8E5M2Type,
                         Float8E5M2FNUZType, Float8E8M0FNUType,
                         Float4E2M1FNType>(type);
}

namespace {

/// A type's codes. The sign is the highest bit, but of powers, which have none.
struct Format {
  explicit Format(Type type)
      : type(cast<FloatType>(type)), powers(isa<Float8E8M0FNUType>(type)) {
    unsigned bits = type.getIntOrFloatBitWidth();
    int codes = 1 << bits;
    sign = powers ? codes : codes / 2;
    for (int code = 0; code < codes; ++code) {
      APFloat value(this->type.getFloatSemantics(),
                    APInt(bits, unsigned(code)));
      // A NaN without a mantissa would not stay one.
      values.push_back(value.isNaN() ? std::nan("") : value.convertToDouble());
    }
    while (finite < sign && std::isfinite(values[size_t(finite)]))
      ++finite;
    // Types with one zero have their only NaN in the other's place.
    oneZero = !powers && std::isnan(values[size_t(sign)]);
    if (isa<Float8E5M2Type>(type))
      notANumber = 0x7e;
    else
      notANumber = isa<Float8E4M3FNType>(type) ? 0x7f : powers ? 0xff : sign;
  }

  /// From where on numbers of `like` are rounded to each code but the first, in
  /// order. The last is for what is beyond all.
  SmallVector<APFloat> thresholds(FloatType like,
                                  SmallRounding::Powers mode) const {
    using Powers = SmallRounding::Powers;
    SmallVector<APFloat> all;
    for (int code = 1; code <= finite; ++code) {
      double low = values[size_t(code - 1)];
      double high = code < finite ? values[size_t(code)]
                    : powers      ? 2 * low
                                  : 2 * low - values[size_t(code - 2)];
      bool up = powers && mode == Powers::up;
      bool down = powers && mode == Powers::down;
      APFloat from(up ? low : down ? high : (low + high) / 2);
      bool exact;
      from.convert(like.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                   &exact);
      if (up || (!powers && code % 2 != 0)) // not yet there
        from.next(/*nextDown=*/false);
      all.push_back(from);
    }
    return all;
  }

  FloatType type;
  bool powers;
  SmallVector<double> values; ///< by code
  int sign, finite = 0;       ///< `finite`: how many codes from 0 on are
  int notANumber;
  bool oneZero;
};

DenseElementsAttr literal(ArrayRef<APFloat> numbers, Type element) {
  return DenseElementsAttr::get(
      RankedTensorType::get({int64_t(numbers.size())}, element), numbers);
}

/// The numbers of a type's codes, in f32.
DenseElementsAttr decodingTable(Type type) {
  SmallVector<APFloat> values;
  for (double value : Format(type).values)
    values.push_back(APFloat(float(value)));
  return literal(values, Float32Type::get(type.getContext()));
}

/// The bytes that x was decoded from; null where it was not.
mlir::Value decodedFrom(mlir::Value x, Type type) {
  auto take = x.getDefiningOp<TakeOp>();
  auto table = take ? take.getX().getDefiningOp<ConstantOp>() : ConstantOp();
  auto bytes = table ? take.getIndices().getDefiningOp<CastOp>() : CastOp();
  return bytes && table.getValue() == decodingTable(type) ? bytes.getX()
                                                          : mlir::Value();
}

} // namespace

mlir::Value decodeSmall(OpBuilder &b, Location loc, mlir::Value bytes,
                        Type type) {
  mlir::Value table = ConstantOp::create(b, loc, decodingTable(type));
  return TakeOp::create(b, loc, table,
                        mapsto::cast(b, loc, bytes, b.getI32Type()), 0);
}

mlir::Value encodeSmall(OpBuilder &b, Location loc, mlir::Value x, Type type,
                        SmallRounding rounding) {
  if (mlir::Value bytes = decodedFrom(x, type)) // the sign of a NaN too
    return bytes;
  Format format(type);
  auto like = cast<FloatType>(elementTypeOf(x));
  SmallVector<APFloat> steps = format.thresholds(like, rounding.powers);
  bool hasNoOther = format.finite == format.sign && !format.oneZero;
  bool saturate = rounding.saturate || hasNoOther;
  if (saturate)
    steps.pop_back();
  Dims dims = dimsOf(x);
  Type i32 = b.getI32Type();
  auto number = [&](double value, mlir::Value as) {
    return splat(b, loc, value, as.getType());
  };
  auto compare = [&](ComparePredicate predicate, mlir::Value a,
                     mlir::Value c) -> mlir::Value {
    return CompareOp::create(b, loc, predicate, a, c);
  };
  auto select = [&](mlir::Value condition, mlir::Value yes,
                    mlir::Value no) -> mlir::Value {
    return SelectOp::create(b, loc, condition, yes, no);
  };

  // A number's code is the count of thresholds that it reaches.
  Dims flat{numElements(dims), 1}, all{flat[0], int64_t(steps.size())};
  mlir::Value magnitude = reshape(b, loc, AbsOp::create(b, loc, x), flat);
  mlir::Value reached = compare(
      ComparePredicate::ge, broadcastTo(b, loc, magnitude, all),
      broadcastTo(b, loc, ConstantOp::create(b, loc, literal(steps, like)),
                  all));
  mlir::Value code = mapsto::reduce(b, loc, ReduceKind::sum,
                                    mapsto::cast(b, loc, reached, i32), {1});
  code = reshape(b, loc, code, dims);

  auto addSign = [&](mlir::Value negative) {
    code = AddOp::create(
        b, loc, code,
        select(negative, number(format.sign, code), number(0, code)));
  };
  mlir::Value isNan = IsNanOp::create(b, loc, x);
  mlir::Value zero = number(0, x);
  mlir::Value below = compare(ComparePredicate::lt, x, zero);
  if (format.powers) { // infinity is NaN however it is rounded
    mlir::Value infinite =
        compare(ComparePredicate::eq, AbsOp::create(b, loc, x),
                number(std::numeric_limits<double>::infinity(), x));
    isNan = OrOp::create(b, loc, isNan, infinite);
  } else if (format.oneZero) {
    mlir::Value isBeyond =
        compare(ComparePredicate::eq, code, number(format.finite, code));
    addSign(AndOp::create(
        b, loc, below, compare(ComparePredicate::ne, code, number(0, code))));
    if (!saturate)
      isNan = OrOp::create(b, loc, isNan, isBeyond);
  } else { // -0 is not below 0, and 1 / -0 is
    mlir::Value inverse = DivOp::create(b, loc, number(1, x), x);
    addSign(select(compare(ComparePredicate::eq, x, zero),
                   compare(ComparePredicate::lt, inverse, zero), below));
  }
  code = select(isNan, number(format.notANumber, code), code);
  return mapsto::cast(b, loc, code, b.getIntegerType(8, /*isSigned=*/false));
}

mlir::Value roundSmall(OpBuilder &b, Location loc, mlir::Value x, Type type,
                       SmallRounding rounding) {
  if (!elementTypeOf(x).isF64())
    x = mapsto::cast(b, loc, x, b.getF32Type());
  return decodeSmall(b, loc, encodeSmall(b, loc, x, type, rounding), type);
}

} // namespace mapsto::onnx
