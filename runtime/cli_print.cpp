#include "runtime/cli_report.h"

#include <cmath>

namespace mapsto::runtime {

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

namespace {

/// NumPy's defaults: above this many elements only the edges are shown.
constexpr int64_t kSummarizeAbove = 1000;
constexpr int64_t kEdge = 3;
constexpr int kLineWidth = 78;

struct Printer {
  FILE *to;
  const mapsto_tensor &t;
  bool summarize;
  int width = 0;

  void format(int64_t i, char (&text)[40]) const {
    if (t.dtype == MAPSTO_BOOL)
      snprintf(text, sizeof text, "%s",
               elementAsInt(t.dtype, t.data, i) ? "true" : "false");
    else if (isFloat(t.dtype))
      snprintf(text, sizeof text, "%.*g", t.dtype == MAPSTO_F64 ? 10 : 6,
               elementAsDouble(t.dtype, t.data, i));
    else
      snprintf(text, sizeof text, t.dtype == MAPSTO_U64 ? "%llu" : "%lld",
               (long long)elementAsInt(t.dtype, t.data, i));
  }

  bool hidden(int axis, int64_t i) const {
    return summarize && t.dims[axis] > 2 * kEdge && i >= kEdge &&
           i < t.dims[axis] - kEdge;
  }

  /// Calls `visit` for every shown element.
  template <typename F> void shown(int axis, int64_t base, F &visit) const {
    if (axis == t.rank) {
      visit(base);
      return;
    }
    for (int64_t i = 0; i < t.dims[axis]; ++i) {
      if (hidden(axis, i)) {
        i = t.dims[axis] - kEdge - 1;
        continue;
      }
      shown(axis + 1, base * t.dims[axis] + i, visit);
    }
  }

  void measure() {
    auto visit = [this](int64_t i) {
      char text[40];
      format(i, text);
      int length = int(strlen(text));
      width = length > width ? length : width;
    };
    shown(0, 0, visit);
  }

  void print(int axis, int64_t base) const {
    if (axis == t.rank) {
      char text[40];
      format(base, text);
      fprintf(to, "%*s", width, text);
      return;
    }
    bool innermost = axis == t.rank - 1;
    fputc('[', to);
    int column = axis + 1;
    for (int64_t i = 0; i < t.dims[axis]; ++i) {
      bool skip = hidden(axis, i);
      int next = skip ? 3 : width;
      if (i && innermost && column + 1 + next > kLineWidth) {
        fprintf(to, "\n%*s", axis + 1, "");
        column = axis + 1;
      } else if (i && innermost) {
        fputc(' ', to);
        ++column;
      } else if (i) {
        fprintf(to, "\n%*s", axis + 1, "");
      }
      column += next;
      if (skip) {
        fputs("...", to);
        i = t.dims[axis] - kEdge - 1;
        continue;
      }
      print(axis + 1, base * t.dims[axis] + i);
    }
    fputc(']', to);
  }
};

} // namespace

void printTensor(FILE *to, const char *name, const mapsto_tensor &tensor) {
  Shape shape;
  shape.rank = tensor.rank;
  memcpy(shape.dims, tensor.dims, sizeof shape.dims);
  String text;
  addShape(text, shape);
  int64_t count = elementCount(tensor.dtype, tensor.dims, tensor.rank);
  fprintf(to, "%s: %s%s\n", name, mapsto_dtype_name(tensor.dtype),
          text.c_str());
  if (count == 0)
    return;
  Printer printer{to, tensor, count > kSummarizeAbove};
  printer.measure();
  printer.print(0, 0);
  fputc('\n', to);
}

//===----------------------------------------------------------------------===//
// Comparing
//===----------------------------------------------------------------------===//

static Tolerance toleranceOfOne(mapsto_dtype dtype) {
  switch (dtype) {
  case MAPSTO_F32:
    return {1e-4, 1e-5};
  case MAPSTO_F16:
    return {1e-2, 1e-3};
  case MAPSTO_BF16:
    return {4e-2, 1e-2};
  case MAPSTO_F64:
    return {1e-7, 1e-9};
  default:
    return {0, 0};
  }
}

Tolerance defaultTolerance(mapsto_dtype dtype, const Value &expected) {
  Tolerance tolerance = toleranceOfOne(dtype);
  double largest = 1;
  for (int64_t i = 0; i < expected.count; ++i) {
    double x = std::fabs(elementAsDouble(expected.dtype, expected.data, i));
    if (x > largest && std::isfinite(x))
      largest = x;
  }
  tolerance.absolute *= largest;
  return tolerance;
}

static void addIndex(String &text, const Shape &shape, int64_t flat) {
  Shape index;
  index.rank = shape.rank;
  for (int axis = shape.rank - 1; axis >= 0; --axis) {
    index.dims[axis] = flat % shape.dims[axis];
    flat /= shape.dims[axis];
  }
  addShape(text, index);
}

bool compare(const char *name, const mapsto_tensor &got, const Value &expected,
             Tolerance tolerance, String &line) {
  Shape shape;
  shape.rank = got.rank;
  memcpy(shape.dims, got.dims, sizeof shape.dims);
  Shape want = expected.shape;
  for (int i = want.rank; i < MAPSTO_MAX_RANK; ++i)
    want.dims[i] = shape.dims[i];
  if (!(shape == want)) {
    line.addf("%s: its shape is ", name);
    addShape(line, shape);
    line.add(", but ");
    addShape(line, expected.shape);
    line.add(" was expected");
    return false;
  }
  if (isFloat(got.dtype) != isFloat(expected.dtype)) {
    line.addf("%s: it is %s, but %s was expected", name,
              mapsto_dtype_name(got.dtype), mapsto_dtype_name(expected.dtype));
    return false;
  }

  int64_t wrong = 0, nans = 0, worst = -1;
  double worstExcess = -1, largest = 0;
  for (int64_t i = 0; i < expected.count; ++i) {
    double a = elementAsDouble(got.dtype, got.data, i);
    double b = elementAsDouble(expected.dtype, expected.data, i);
    double difference = std::fabs(a - b);
    bool good;
    if (!isFloat(got.dtype)) {
      good = elementAsInt(got.dtype, got.data, i) ==
             elementAsInt(expected.dtype, expected.data, i);
    } else if (std::isnan(a) || std::isnan(b)) {
      good = std::isnan(a) && std::isnan(b);
      nans += !good;
      difference = good ? 0 : INFINITY;
    } else if (std::isinf(a) || std::isinf(b)) {
      good = a == b;
      difference = good ? 0 : INFINITY;
    } else {
      good =
          difference <= tolerance.absolute + tolerance.relative * std::fabs(b);
    }
    wrong += !good;
    largest = difference > largest ? difference : largest;
    double excess =
        good ? difference : difference - tolerance.relative * std::fabs(b);
    // A wrong element is worse than any right one.
    excess = good ? excess / (1 + excess) : 2 + excess;
    if (excess > worstExcess) {
      worstExcess = excess;
      worst = i;
    }
  }
  if (!wrong) {
    line.addf("%s: as expected (max abs diff %.3g)", name, largest);
    return true;
  }
  line.addf("%s: %lld of %lld elements differ", name, (long long)wrong,
            (long long)expected.count);
  if (nans)
    line.addf(", %lld of them NaN on one side only", (long long)nans);
  line.addf(" (max abs diff %.3g); worst at ", largest);
  addIndex(line, shape, worst);
  if (isFloat(got.dtype))
    line.addf(": %.9g, expected %.9g",
              elementAsDouble(got.dtype, got.data, worst),
              elementAsDouble(expected.dtype, expected.data, worst));
  else
    line.addf(": %lld, expected %lld",
              (long long)elementAsInt(got.dtype, got.data, worst),
              (long long)elementAsInt(expected.dtype, expected.data, worst));
  return false;
}

} // namespace mapsto::runtime
