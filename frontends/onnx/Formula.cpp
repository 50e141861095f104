#include "frontends/onnx/Formula.h"

using namespace mlir;

namespace mapsto::onnx {

Term unsignedHalf(const Term &x) {
  return x / 2 + select(x < 0, x(-0x1p63), 0);
}

/// x / y of uint64 (Warren, "Hacker's Delight", 2nd edition, 9-3).
static Term divideUnsigned(const Term &x, const Term &y) {
  mlir::Type u64 = y.b->getIntegerType(64, /*isSigned=*/false);
  Term atLeast = ordered(x, u64) >= ordered(y, u64);
  // Half of x is not below zero; its quotient is twice or once more than that.
  Term quotient = unsignedHalf(x) / y * 2;
  Term rest = x - quotient * y;
  Term more = ordered(rest, u64) >= ordered(y, u64);
  return select(y < 0, select(atLeast, x(1), 0),
                quotient + select(more, x(1), 0));
}

Term divideTowardsZero(const Term &x, const Term &y, Type type) {
  if (type.isUnsignedInteger(64))
    return divideUnsigned(x, y);
  Term down = x / y;
  if (type.isUnsignedInteger())
    return down;
  Term inexact = x % y != 0;
  Term negative = apply<XorOp>(x < 0, y < 0);
  return select(inexact & negative, down + 1, down);
}

Term sizeAs(const Term &like, const Dim &size) {
  if (auto number = size.constant())
    return like(double(*number));
  OpBuilder &b = *like.b;
  mlir::Value scalar = SizeOp::create(
      b, like.loc, RankedTensorType::get({}, b.getI64Type()), size.str());
  scalar = cast(b, like.loc, scalar, elementTypeOf(like.v));
  return {like, broadcastTo(b, like.loc, scalar, dimsOf(like.v))};
}

mlir::Value list(Node &n, ArrayRef<int64_t> numbers) {
  Value value;
  value.type = n.b.getI64Type();
  value.known = Known::list(
      llvm::map_to_vector(numbers, [](int64_t x) { return Dim(x); }));
  return n.importer.materialise(value);
}

Type widened(Type type) {
  Builder b(type.getContext());
  if (type.isF16() || type.isBF16())
    return b.getF32Type();
  return isa<FloatType>(type) ? type : b.getF64Type();
}

Term wide(Node &n, size_t i) {
  mlir::Value x = n.in(i);
  Type type = n.has(i) ? n.type(i) : elementTypeOf(x);
  return {n, convert(n.b, n.loc, x, type, widened(type))};
}

LogicalResult give(Node &n, llvm::function_ref<Term(Term)> formula) {
  if (failed(needFloats(n, 0)))
    return failure();
  return n.result(cast(n.b, n.loc, formula(wide(n, 0)).v, n.type(0)));
}

static std::string nameOf(Type type) {
  return type ? onnx::nameOf(dataTypeOf(type)) : "nothing";
}

LogicalResult needFloats(Node &n, size_t i) {
  if (isa_and_nonnull<FloatType>(n.type(i)))
    return success();
  return n.fail("its input " + Twine(i) + " is of " + nameOf(n.type(i)) +
                ", and must be of floats");
}

LogicalResult needOneType(Node &n) {
  for (size_t i = 1; i < n.numInputs(); ++i)
    if (n.type(i) != n.type(0))
      return n.fail("its inputs are of " + nameOf(n.type(0)) + " and " +
                    nameOf(n.type(i)) + ", and must be of one type");
  return success();
}

bool hasOldBroadcast(Node &n) {
  StringRef domain = n.proto.domain();
  return n.opset() < 7 && (domain.empty() || domain == "ai.onnx") &&
         n.hasAttribute("broadcast");
}

/// The common shape of two. Of sizes with symbols none is taken to be 1: they
/// must be equal, and are one from then on.
static FailureOr<Dims> broadcastEqual(Node &n, ArrayRef<Dim> a,
                                      ArrayRef<Dim> b) {
  for (size_t i = 1; i <= std::min(a.size(), b.size()); ++i) {
    const Dim &x = a[a.size() - i], &y = b[b.size() - i];
    if (x != Dim(1) && y != Dim(1))
      (void)n.equal({x}, {y});
  }
  return broadcastDims(a, b);
}

FailureOr<SmallVector<mlir::Value>>
broadcastInputs(Node &n, std::optional<int64_t> axis) {
  if (hasOldBroadcast(n) && n.hasAttribute("axis"))
    axis = n.attr("axis", 0);
  SmallVector<Dims> shapes;
  for (size_t i = 0; i < n.numInputs(); ++i)
    shapes.push_back(n.dims(i));
  if (axis) {
    FailureOr<int64_t> first = n.axis(*axis, n.rank(0));
    if (failed(first))
      return failure();
    size_t end = size_t(*first) + shapes[1].size();
    if (end < shapes[0].size())
      shapes[1].append(shapes[0].size() - end, Dim(1));
  }
  FailureOr<Dims> dims = shapes[0];
  for (size_t i = 1; i < n.numInputs() && succeeded(dims); ++i)
    dims = broadcastEqual(n, *dims, shapes[i]);
  if (failed(dims)) {
    std::string shapes = str(n.dims(0));
    for (size_t i = 1; i < n.numInputs(); ++i)
      shapes += (i + 1 == n.numInputs() ? " and " : ", ") + str(n.dims(i));
    return n.fail("shapes " + shapes + " do not broadcast");
  }
  SmallVector<mlir::Value> operands;
  for (size_t i = 0; i < n.numInputs(); ++i)
    operands.push_back(broadcastTo(
        n.b, n.loc, reshape(n.b, n.loc, n.in(i), shapes[i]), *dims));
  return operands;
}

} // namespace mapsto::onnx
