//===- reference.cpp - Math functions in double, four at a time -----------===//
//
// With MAPSTO_LIBMVEC glibc's vector functions stand for libm's, whose last
// bits of a double do not matter here; every 1009th result is compared with
// libm's.
//
//===----------------------------------------------------------------------===//

#include "reference.h"

#include <cmath>
#include <cstdio>

#ifdef MAPSTO_LIBMVEC
#define FAST(expression) [](Four x) -> Four { return expression; }
extern "C" {
Four _ZGVdN4v_exp(Four);
Four _ZGVdN4v_expm1(Four);
Four _ZGVdN4v_log(Four);
Four _ZGVdN4v_log1p(Four);
Four _ZGVdN4v_tanh(Four);
Four _ZGVdN4v_erf(Four);
Four _ZGVdN4v_erfc(Four);
Four _ZGVdN4v_sin(Four);
Four _ZGVdN4v_cos(Four);
Four _ZGVdN4v_tan(Four);
Four _ZGVdN4v_atan(Four);
Four _ZGVdN4vv_pow(Four, Four);
}
#else
#define FAST(expression) nullptr
#endif

namespace {

constexpr double kRoot2OverPi = 0.7978845608028654;
constexpr double kRootHalf = 0.7071067811865476;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// The limit at -infinity is -0.
double geluErf(double x) {
  return x == -INFINITY ? -0.0 : 0.5 * x * std::erfc(-x * kRootHalf);
}

double geluTanh(double x) {
  double u = kRoot2OverPi * (x + 0.044715 * x * x * x);
  return x == -INFINITY ? -0.0 : x / (1 + std::exp(-2 * u));
}

} // namespace

/// gelu's unit is the last place of x/2 or of the result, whichever is larger:
/// x/2 is what erf(x / sqrt 2) x/2 is added to. For x > 0 that is the result.
const Function functions[kFunctions] = {
    {"exp", std::exp, FAST(_ZGVdN4v_exp(x)), 2},
    {"expm1", std::expm1, FAST(_ZGVdN4v_expm1(x)), 2},
    {"log", std::log, FAST(_ZGVdN4v_log(x)), 2},
    {"log1p", std::log1p, FAST(_ZGVdN4v_log1p(x)), 2},
    {"tanh", std::tanh, FAST(_ZGVdN4v_tanh(x)), 4},
    {"sigmoid", sigmoid, FAST(1 / (1 + _ZGVdN4v_exp(-x))), 4},
    {"erf", std::erf, FAST(_ZGVdN4v_erf(x)), 2},
    {"gelu_tanh", geluTanh,
     FAST(x /
          (1 + _ZGVdN4v_exp(-2 * kRoot2OverPi * (x + 0.044715 * x * x * x)))),
     2, 0.5},
    {"sin", std::sin, FAST(_ZGVdN4v_sin(x)), 2},
    {"cos", std::cos, FAST(_ZGVdN4v_cos(x)), 2},
    {"tan", std::tan, FAST(_ZGVdN4v_tan(x)), 4},
    {"atan", std::atan, FAST(_ZGVdN4v_atan(x)), 2},
    {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, nullptr, 2},
    {"sqrt", std::sqrt, nullptr, 2},
};
const Function gelu = {"gelu", geluErf,
                       FAST(0.5 * x * _ZGVdN4v_erfc(-x * kRootHalf)), 2, 0.5};

static bool same(double fast, double slow) {
  return fast == slow || (std::isnan(fast) && std::isnan(slow)) ||
         std::abs(fast - slow) <= 1e-13 * std::abs(slow) ||
         std::abs(fast - slow) < 1e-55;
}

/// Every how many the two are compared.
constexpr size_t kSample = 1009;

bool evaluate(const Function &f, const std::vector<float> &x,
              std::vector<double> &y) {
  y.resize(x.size());
  size_t i = 0;
  if (f.fast)
    for (; i + 4 <= x.size(); i += 4) {
      Four four = f.fast(Four{x[i], x[i + 1], x[i + 2], x[i + 3]});
      for (size_t k = 0; k != 4; ++k)
        y[i + k] = x[i + k] == -INFINITY ? f.reference(x[i + k]) : four[k];
    }
  for (; i != x.size(); ++i)
    y[i] = f.reference(x[i]);
  for (i = 0; i < x.size(); i += kSample)
    if (!same(y[i], f.reference(x[i]))) {
      std::printf("%s(%a): two references, %a and %a\n", f.name, x[i], y[i],
                  f.reference(x[i]));
      return false;
    }
  return true;
}

bool evaluatePower(const std::vector<float> &x, const std::vector<float> &y,
                   std::vector<double> &z) {
  z.resize(x.size());
  size_t i = 0;
#ifdef MAPSTO_LIBMVEC
  for (; i + 4 <= x.size(); i += 4) {
    Four four = _ZGVdN4vv_pow(Four{x[i], x[i + 1], x[i + 2], x[i + 3]},
                              Four{y[i], y[i + 1], y[i + 2], y[i + 3]});
    for (size_t k = 0; k != 4; ++k)
      z[i + k] = four[k];
  }
#endif
  for (; i != x.size(); ++i)
    z[i] = std::pow(double(x[i]), double(y[i]));
  for (i = 0; i < x.size(); i += kSample)
    if (!same(z[i], std::pow(double(x[i]), double(y[i])))) {
      std::printf("pow(%a, %a): two references\n", x[i], y[i]);
      return false;
    }
  return true;
}
