//===- exhaustive_math.cpp - Compiled math functions, every f32 -----------===//
//
//   exhaustive_math LIBRARY [--stride N] [--slack ULP]
//
// LIBRARY is functions.mto, compiled by `mapsto compile --emit lib` for some
// CPU. Each of its functions is called with every f32 (or every Nth bit
// pattern) and compared with libm in double. Prints the largest error of each
// in units of the last place, and where; fails above the bound. `--slack` adds
// to the bounds: a CPU without fused multiply-add rounds more often.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <limits>
#include <vector>

namespace {

struct Function {
  const char *name;
  double (*reference)(double);
  double bound;
  double worst = 0;
  float where = 0;
};

/// The outputs of functions.mto, in its order.
Function functions[] = {
    {"exp", std::exp, 2},
    {"log", std::log, 2},
    {"tanh", std::tanh, 7},
    {"sigmoid",
     [](double x) {
       return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
     },
     3},
    {"erf", std::erf, 7},
    {"sin", std::sin, 2},
    {"cos", std::cos, 2},
    {"rsqrt", [](double x) { return 1 / std::sqrt(x); }, 2},
    {"sqrt", std::sqrt, 2},
};
constexpr size_t kCount = std::size(functions);

/// Distance in units of the last place of the right answer; infinite where one
/// of the two is NaN or infinite and the other is not.
double error(float found, double right) {
  float rounded = float(right);
  if (std::isnan(found) || std::isnan(rounded))
    return std::isnan(found) == std::isnan(rounded) ? 0 : INFINITY;
  if (found == rounded)
    return 0;
  if (std::isinf(found) || std::isinf(rounded)) {
    // The largest finite number is one step from infinity.
    float finite = std::isinf(found) ? rounded : found;
    return std::abs(finite) == std::numeric_limits<float>::max() ? 1 : INFINITY;
  }
  int exponent = std::max(std::ilogb(right), -126);
  return std::abs(double(found) - right) / std::ldexp(1.0, exponent - 23);
}

/// `name` of the library, as the function type of `model`.
template <typename Type> Type *symbol(void *library, const char *name) {
  void *address = dlsym(library, name);
  if (!address) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  return reinterpret_cast<Type *>(address);
}

} // namespace

int main(int argc, char **argv) {
  uint64_t stride = 1;
  double slack = 0;
  for (int i = 2; i + 1 < argc; i += 2)
    if (std::strcmp(argv[i], "--stride") == 0)
      stride = std::strtoull(argv[i + 1], nullptr, 10);
    else if (std::strcmp(argv[i], "--slack") == 0)
      slack = std::strtod(argv[i + 1], nullptr);
  void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  if (!library || stride == 0) {
    std::fprintf(stderr,
                 "usage: exhaustive_math LIBRARY [--stride N] [--slack ULP]\n");
    return 2;
  }
  auto *open = symbol<void *()>(library, "functions_open");
  auto *run =
      symbol<int(void *, const float *, int64_t, float *, float *, float *,
                 float *, float *, float *, float *, float *, float *)>(
          library, "functions_run");
  auto *close = symbol<void(void *)>(library, "functions_close");
  void *session = open();

  constexpr uint64_t kAll = uint64_t(1) << 32, kChunk = 1 << 16;
  std::vector<float> x;
  std::vector<float> y[kCount];
  for (uint64_t bits = 0; bits < kAll;) {
    x.clear();
    for (; bits < kAll && x.size() < kChunk; bits += stride)
      x.push_back(std::bit_cast<float>(uint32_t(bits)));
    if (bits >= kAll) // what a stride would step over
      for (float special : {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1.0f, -1.0f,
                            0x1p-149f, 88.72283935546875f})
        x.push_back(special);
    for (std::vector<float> &out : y)
      out.resize(x.size());
    if (run(session, x.data(), x.size(), y[0].data(), y[1].data(), y[2].data(),
            y[3].data(), y[4].data(), y[5].data(), y[6].data(), y[7].data(),
            y[8].data()) != 0)
      return 2;
    for (size_t f = 0; f != kCount; ++f)
      for (size_t i = 0; i != x.size(); ++i) {
        double e = error(y[f][i], functions[f].reference(x[i]));
        if (e > functions[f].worst) {
          functions[f].worst = e;
          functions[f].where = x[i];
        }
      }
  }
  close(session);

  bool good = true;
  for (const Function &f : functions) {
    bool within = f.worst <= f.bound + slack;
    std::printf("%-8s %6.3f ulp at %a (%g)%s\n", f.name, f.worst, f.where,
                f.where, within ? "" : "  TOO FAR");
    good = good && within;
  }
  return good ? 0 : 1;
}
