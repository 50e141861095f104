//===- exhaustive_math.cpp - Compiled math functions, every f32 -----------===//
//
//   exhaustive_math LIBRARY [--stride N] [--part I/N] [--slack ULP]
//
// LIBRARY is functions.mto, gelu.mto or power.mto, compiled by `mapsto compile
// --emit lib` for some CPU. Its functions are called with every f32 (or every
// Nth bit pattern, or the Ith of N parts) and compared with libm in double;
// powers with every f32 to some exponents, with random pairs and with all pairs
// of special numbers. Prints the largest error of each in units of the last
// place, and where; fails above the bound. `--slack` adds to the bounds: a CPU
// without fused multiply-add rounds more often.
//
//===----------------------------------------------------------------------===//

#include "reference.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double ulp(double x) {
  return std::ldexp(1.0, std::max(std::ilogb(x), -126) - 23);
}

/// Distance in units of the last place of `unit`, or of the right answer where
/// that is more; infinite where one of the two is NaN or infinite and the other
/// is not, and where the sign of an exact zero is wrong.
double error(float found, double right, double unit = 0) {
  float rounded = float(right);
  if (found == rounded)
    return right == 0 && std::signbit(found) != std::signbit(rounded)
               ? kInfinity
               : 0;
  if (std::isnan(found) || std::isnan(rounded))
    return std::isnan(found) == std::isnan(rounded) ? 0 : kInfinity;
  if (std::isinf(found) || std::isinf(rounded)) {
    // The largest finite number is one step from infinity.
    float finite = std::isinf(found) ? rounded : found;
    return std::abs(finite) == std::numeric_limits<float>::max() ? 1
                                                                 : kInfinity;
  }
  return std::abs(double(found) - right) /
         ulp(std::max(std::abs(right), std::min(unit, 0x1p127)));
}

struct Result {
  double worst = 0;
  float x = 0, y = 0;

  void see(double e, float atX, float atY = 0) {
    if (e > worst)
      *this = {e, atX, atY};
  }
};

bool report(const char *name, const Result &r, double bound) {
  std::printf("%-9s %6.3f ulp at %a, %a (%g, %g)%s\n", name, r.worst, r.x, r.y,
              r.x, r.y, r.worst <= bound ? "" : "  TOO FAR");
  return r.worst <= bound;
}

/// `name` of the library, as the function type of `model`.
template <typename Type> Type *symbol(void *library, const std::string &name) {
  void *address = dlsym(library, name.c_str());
  if (!address) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  return reinterpret_cast<Type *>(address);
}

/// Bit patterns of f32 to go through.
struct Range {
  uint64_t stride = 1, begin = 0, end = uint64_t(1) << 32;

  /// Calls with batches of them.
  template <typename Body> void each(Body body) const {
    constexpr size_t kBatch = 1 << 14;
    std::vector<float> x;
    for (uint64_t bits = begin; bits < end;) {
      x.clear();
      for (; bits < end && x.size() < kBatch; bits += stride)
        x.push_back(std::bit_cast<float>(uint32_t(bits)));
      body(x);
    }
  }
};

constexpr float kSpecial[] = {0.0f,
                              -0.0f,
                              INFINITY,
                              -INFINITY,
                              NAN,
                              1.0f,
                              -1.0f,
                              0x1.fffffep-1f,
                              0x1.000002p0f,
                              2.0f,
                              -2.0f,
                              3.0f,
                              -3.0f,
                              0.5f,
                              -0.5f,
                              2.5f,
                              -2.5f,
                              88.72283935546875f,
                              0x1p-149f,
                              -0x1p-149f,
                              0x1p-126f,
                              0x1.fffffep127f,
                              -0x1.fffffep127f,
                              16777215.0f,
                              -16777215.0f,
                              16777216.0f,
                              131072.0f,
                              0x1p31f};

/// `count` functions of one number, the outputs of the model `name`.
template <size_t count>
bool checkFunctions(void *library, const std::string &name,
                    const Function *functions, Range range, double slack) {
  auto run = [&]<size_t... I>(std::index_sequence<I...>) {
    auto *call =
        symbol<int(void *, const float *, int64_t, decltype(I, (float *)0)...)>(
            library, name + "_run");
    return [call](void *session, const std::vector<float> &x,
                  std::vector<float> *y) {
      return call(session, x.data(), x.size(), y[I].data()...);
    };
  }(std::make_index_sequence<count>());
  void *session = symbol<void *()>(library, name + "_open")();
  std::vector<float> y[count];
  std::vector<double> right;
  Result results[count];
  bool good = true;
  auto compare = [&](const std::vector<float> &x) {
    for (std::vector<float> &out : y)
      out.resize(x.size());
    good = good && run(session, x, y) == 0;
    for (size_t f = 0; f != count; ++f) {
      good = evaluate(functions[f], x, right) && good;
      for (size_t i = 0; i != x.size(); ++i)
        results[f].see(
            error(y[f][i], right[i], std::abs(x[i]) * functions[f].unitOfX),
            x[i]);
    }
  };
  range.each(compare);
  compare({std::begin(kSpecial), std::end(kSpecial)});
  symbol<void(void *)>(library, name + "_close")(session);
  for (size_t f = 0; f != count; ++f)
    good = report(functions[f].name, results[f], functions[f].bound + slack) &&
           good;
  return good;
}

bool checkPower(void *library, Range range, double slack) {
  auto *run =
      symbol<int(void *, const float *, const float *, int64_t, float *)>(
          library, "power_run");
  void *session = symbol<void *()>(library, "power_open")();
  std::vector<float> y, z;
  std::vector<double> right;
  Result result;
  bool good = true;
  auto compare = [&](const std::vector<float> &x) {
    z.resize(x.size());
    good = good && run(session, x.data(), y.data(), x.size(), z.data()) == 0;
    good = evaluatePower(x, y, right) && good;
    for (size_t i = 0; i != x.size(); ++i)
      result.see(error(z[i], right[i]), x[i], y[i]);
  };
  for (float exponent : {2.0f, 3.0f, -1.0f, 0.5f, 1.0f / 3, -2.5f, 10.0f, 0.1f})
    range.each([&](const std::vector<float> &x) {
      y.assign(x.size(), exponent);
      compare(x);
    });
  // Exponents for which the result is in the range or just beyond.
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(-151, 130);
  range.each([&](std::vector<float> x) {
    y.clear();
    for (float base : x) {
      double most = std::log2(std::abs(double(base)));
      y.push_back(float(uniform(random) / most));
    }
    compare(x);
  });
  std::vector<float> x;
  y.clear();
  for (float p : kSpecial)
    for (float q : kSpecial) {
      x.push_back(p);
      y.push_back(q);
    }
  compare(x);
  symbol<void(void *)>(library, "power_close")(session);
  return report("pow", result, 2 + slack) && good;
}

} // namespace

int main(int argc, char **argv) {
  Range range;
  double slack = 0;
  uint64_t part = 0, parts = 1;
  for (int i = 2; i + 1 < argc; i += 2)
    if (std::strcmp(argv[i], "--stride") == 0)
      range.stride = std::strtoull(argv[i + 1], nullptr, 10);
    else if (std::strcmp(argv[i], "--slack") == 0)
      slack = std::strtod(argv[i + 1], nullptr);
    else if (std::strcmp(argv[i], "--part") == 0) {
      char *end = argv[i + 1];
      part = std::strtoull(end, &end, 10) - 1;
      parts = *end == '/' ? std::strtoull(end + 1, nullptr, 10) : 0;
    }
  void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  if (!library || range.stride == 0 || part >= parts) {
    std::fprintf(stderr, "usage: exhaustive_math LIBRARY [--stride N] [--part "
                         "I/N] [--slack ULP]\n");
    return 2;
  }
  uint64_t all = range.end;
  range.begin = all / parts * part;
  range.end = part + 1 == parts ? all : all / parts * (part + 1);
  bool good;
  if (dlsym(library, "power_run"))
    good = checkPower(library, range, slack);
  else if (dlsym(library, "gelu_run"))
    good = checkFunctions<1>(library, "gelu", &gelu, range, slack);
  else
    good = checkFunctions<kFunctions>(library, "functions", functions, range,
                                      slack);
  return good ? 0 : 1;
}
