#include "tools/mapsto/VerifyCompare.h"

#include <cmath>
#include <cstdio>

using namespace mapsto;

/// Rounding of the element type, relative.
static double epsilonOf(mlir::Type type) {
  return type.isF16()    ? 0x1p-10
         : type.isBF16() ? 0x1p-7
         : type.isF64()  ? 0x1p-52
                         : 0x1p-23;
}

Difference mapsto::compare(const Tensor &got, const Tensor &expected,
                           double length) {
  Difference result;
  double scale = 0;
  for (int64_t i = 0; i != expected.size(); ++i)
    if (std::isfinite(expected.number(i)))
      scale = std::max(scale, std::abs(expected.number(i)));
  double tolerance = expected.isFloat()
                         ? epsilonOf(expected.elementType) * (64 + length) *
                               std::max(scale, 1e-3)
                         : 0;
  for (int64_t i = 0; i != expected.size(); ++i) {
    double x = got.number(i), y = expected.number(i);
    double error = std::isnan(x) && std::isnan(y) ? 0
                   : x == y                       ? 0
                                                  : std::abs(x - y);
    if (!(error <= tolerance) && result.at < 0)
      result = {i, x, y, result.worst};
    result.worst = std::max(result.worst, error);
  }
  return result;
}

std::string mapsto::placeText(const Tensor &tensor, int64_t at) {
  Shape strides = stridesOf(tensor.shape);
  std::string text = "[";
  for (size_t axis = 0; axis != strides.size(); ++axis) {
    text += (axis ? ", " : "") + std::to_string(at / strides[axis]);
    at %= strides[axis];
  }
  return text + "]";
}

std::string mapsto::numberText(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.9g", value);
  return text;
}
