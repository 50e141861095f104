// Matrix products: with constant operands, which are packed at compile time,
// with activations on both sides, with what follows them, and of few rows.
#include "tests/benchmarks/harness.h"

using namespace mapsto::benchmarks;

static std::string text(int64_t number) { return std::to_string(number); }

static Workload constant(const char *file, int64_t m, int64_t k, int64_t n) {
  return {std::string(file) + "/" + text(m) + "x" + text(k) + "x" + text(n),
          file,
          {{"M", m}},
          {{"inner", text(k)}, {"columns", text(n)}}};
}

static Workload batched(int64_t b, int64_t m, int64_t k, int64_t n,
                        bool transposed) {
  return {std::string(transposed ? "batched_transposed" : "batched") + "/" +
              text(b) + "x" + text(m) + "x" + text(k) + "x" + text(n),
          "batched_product",
          {{"B", b}, {"M", m}},
          {{"inner", text(k)}, {"columns", text(n)}},
          transposed ? "BatchedTransposed" : "Batched"};
}

std::vector<Workload> mapsto::benchmarks::workloads() {
  return {constant("product", 512, 512, 512),
          constant("product", 511, 513, 509), // remainders in every dimension
          constant("product", 128, 768, 3072),
          constant("dense_gelu", 128, 768, 3072),
          constant("product", 16, 1024, 1024),
          constant("product", 4, 1024, 1024),
          constant("product", 1, 1024, 1024),
          constant("product", 32, 32, 32),
          constant("product", 5, 16, 16),
          batched(12, 128, 64, 128, false),
          batched(12, 128, 64, 128, true),
          batched(64, 20, 20, 20, false)};
}
