//===- OpsFunctions.cpp - Functions of one number -------------------------===//
//
// Trigonometry and its kin by formulas that keep their relative error over the
// whole range: none subtracts numbers that are close, or overflows before its
// result does.
//
//===----------------------------------------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

#include <cmath>

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// A function of one number, as a line of the table.
template <Term (*formula)(Term)> LogicalResult function(Node &n) {
  return give(n, formula);
}

Term withSignOf(const Term &x, const Term &magnitude) {
  return select(x < 0, -magnitude, magnitude);
}

//===----------------------------------------------------------------------===//
// Inverse trigonometry, by halves of the angle
//===----------------------------------------------------------------------===//

Term asin(Term x) { return atan(x / (sqrt((1 - x) * (1 + x)) + 1)) * 2; }

Term acos(Term x) {
  Term half = atan(sqrt((1 - x) / (1 + x)));
  return select(x == -1, M_PI, half * 2);
}

//===----------------------------------------------------------------------===//
// Hyperbolic functions
//===----------------------------------------------------------------------===//

/// exp(x) is over the largest float before exp(x) / 2 is: two factors.
Term sinh(Term x) {
  Term magnitude = abs(x);
  Term e = expm1(min(magnitude, 1));
  Term small = (e + e / (e + 1)) * 0.5;
  Term root = exp(magnitude * 0.5);
  Term large = root * 0.5 * root - 0.5 / root / root;
  return withSignOf(x, select(magnitude < 1, small, large));
}

Term cosh(Term x) {
  Term root = exp(abs(x) * 0.5);
  return root * 0.5 * root + 0.5 / root / root;
}

/// From here on x² + 1 is x² in every float type.
constexpr double kSquaresAlone = 0x1p28;

Term asinh(Term x) {
  Term magnitude = abs(x), small = min(magnitude, kSquaresAlone);
  Term square = small * small;
  Term exact = log1p(small + square / (1 + sqrt(square + 1)));
  Term large = log(magnitude) + M_LN2;
  return withSignOf(x, select(magnitude < kSquaresAlone, exact, large));
}

Term acosh(Term x) {
  Term above = min(x - 1, kSquaresAlone);
  Term exact = log1p(above + sqrt(above * (above + 2)));
  Term result = select(x < kSquaresAlone, exact, log(x) + M_LN2);
  return select(x < 1, NAN, result);
}

Term atanh(Term x) {
  Term magnitude = abs(x);
  return withSignOf(x, log1p(2 * magnitude / (1 - magnitude)) * 0.5);
}

//===----------------------------------------------------------------------===//
// Others
//===----------------------------------------------------------------------===//

Term reciprocal(Term x) { return 1 / x; }

LogicalResult isInf(Node &n) {
  bool positive = n.attr("detect_positive", 1) != 0;
  bool negative = n.attr("detect_negative", 1) != 0;
  if (failed(needFloats(n, 0)))
    return failure();
  Term x(n, n.in(0));
  Term tested = positive && negative ? abs(x) : negative ? -x : x;
  Term found = tested == double(INFINITY);
  if (!positive && !negative)
    found = found(0);
  return n.result(found.v);
}

LogicalResult isNan(Node &n) {
  if (failed(needFloats(n, 0)))
    return failure();
  return n.result(apply<IsNanOp>(Term(n, n.in(0))).v);
}

} // namespace

void addFunctionOps(OpTable &table) {
  table["Acos"] = function<acos>;
  table["Acosh"] = function<acosh>;
  table["Asin"] = function<asin>;
  table["Asinh"] = function<asinh>;
  table["Atanh"] = function<atanh>;
  table["Cosh"] = function<cosh>;
  table["IsInf"] = isInf;
  table["IsNaN"] = isNan;
  table["Reciprocal"] = function<reciprocal>;
  table["Sinh"] = function<sinh>;
}

} // namespace mapsto::onnx
