//===- Contractions.cpp - Rules: sums of products -------------------------===//

#include "dialect/interpreter/Rules.h"

using namespace mlir;

namespace mapsto {

// c [M, N] += a [M, K] by b [K, N], or [N, K] if transposed.
template <typename T>
static void multiply(const T *a, const T *b, T *c, int64_t M, int64_t N,
                     int64_t K, bool transposed) {
  for (int64_t m = 0; m != M; ++m) {
    const T *row = a + m * K;
    for (int64_t n = 0; transposed && n != N; ++n) {
      const T *column = b + n * K;
      T sum = 0;
      for (int64_t k = 0; k != K; ++k)
        sum += row[k] * column[k];
      c[m * N + n] = sum;
    }
    for (int64_t k = 0; !transposed && k != K; ++k)
      for (int64_t n = 0; n != N; ++n)
        c[m * N + n] += row[k] * b[k * N + n];
  }
}

static LogicalResult matmul(MatmulOp op, Call &call) {
  const Tensor &lhs = call.in(0), &rhs = call.in(1);
  Tensor &result = call.out();
  ArrayRef<int64_t> shape = lhs.shape;
  int64_t batch = countOf(shape.drop_back(2));
  int64_t M = shape[shape.size() - 2], K = shape.back();
  int64_t N = result.shape.back();
  int64_t rhsStep = rhs.rank() == 2 ? 0 : K * N;
  auto run = [&](const auto &a, const auto &b, auto &c) {
    for (int64_t n = 0; n != batch; ++n)
      multiply(a.data() + n * M * K, b.data() + n * rhsStep,
               c.data() + n * M * N, M, N, K, op.getTransposed());
  };
  if (lhs.isFloat()) {
    run(lhs.f, rhs.f, result.f);
    return success();
  }
  // Unsigned, so that overflow wraps.
  std::vector<uint64_t> a(lhs.i.begin(), lhs.i.end());
  std::vector<uint64_t> b(rhs.i.begin(), rhs.i.end());
  std::vector<uint64_t> c(result.i.size());
  run(a, b, c);
  result.i.assign(c.begin(), c.end());
  return success();
}

static LogicalResult packedMatmul(PackedMatmulOp op, Call &call) {
  const Tensor &lhs = call.in(0), &rhs = call.in(1);
  if (!lhs.isFloat())
    return call.fail("packed products are of floats");
  Tensor &result = call.out();
  int64_t K = lhs.shape.back(), N = op.getColumns(), panel = rhs.shape[2];
  int64_t M = countOf(ArrayRef(lhs.shape).drop_back());
  for (int64_t m = 0; m != M; ++m)
    for (int64_t n = 0; n != N; ++n) {
      int64_t column = (n / panel) * K * panel + n % panel;
      double sum = 0;
      for (int64_t k = 0; k != K; ++k)
        sum += lhs.f[m * K + k] * rhs.number(column + k * panel);
      result.f[m * N + n] = sum;
    }
  return success();
}

static LogicalResult conv1d(Conv1dOp op, Call &call) {
  const Tensor &x = call.in(0), &weight = call.in(1);
  Tensor &result = call.out();
  int64_t B = x.shape[0], C = x.shape[1], T = x.shape[2];
  int64_t O = weight.shape[0], depth = weight.shape[1], taps = weight.shape[2];
  int64_t steps = result.shape[2];
  int64_t outputsPerGroup = O / static_cast<int64_t>(op.getGroups());
  int64_t stride = op.getStride(), dilation = op.getDilation();
  int64_t padding = op.getPadLow();
  for (int64_t b = 0; b != B; ++b)
    for (int64_t o = 0; o != O; ++o)
      for (int64_t t = 0; t != steps; ++t) {
        double sum = 0;
        for (int64_t c = 0; c != depth; ++c)
          for (int64_t k = 0; k != taps; ++k) {
            int64_t at = t * stride + k * dilation - padding;
            if (at < 0 || at >= T)
              continue;
            int64_t channel = o / outputsPerGroup * depth + c;
            sum += x.f[(b * C + channel) * T + at] *
                   weight.f[(o * depth + c) * taps + k];
          }
        result.f[(b * O + o) * steps + t] = sum;
      }
  return success();
}

static LogicalResult convTranspose1d(ConvTranspose1dOp op, Call &call) {
  const Tensor &x = call.in(0), &weight = call.in(1);
  Tensor &result = call.out();
  int64_t B = x.shape[0], C = x.shape[1], T = x.shape[2];
  int64_t width = weight.shape[1], taps = weight.shape[2];
  int64_t O = result.shape[1], steps = result.shape[2];
  int64_t inputsPerGroup = C / static_cast<int64_t>(op.getGroups());
  int64_t stride = op.getStride(), dilation = op.getDilation();
  int64_t padding = op.getPadding();
  for (int64_t b = 0; b != B; ++b)
    for (int64_t c = 0; c != C; ++c)
      for (int64_t t = 0; t != T; ++t)
        for (int64_t o = 0; o != width; ++o)
          for (int64_t k = 0; k != taps; ++k) {
            int64_t at = t * stride + k * dilation - padding;
            if (at < 0 || at >= steps)
              continue;
            int64_t channel = c / inputsPerGroup * width + o;
            result.f[(b * O + channel) * steps + at] +=
                x.f[(b * C + c) * T + t] * weight.f[(c * width + o) * taps + k];
          }
  return success();
}

void addContractionRules(RuleTable &rules) {
  addRule<MatmulOp>(rules, matmul);
  addRule<PackedMatmulOp>(rules, packedMatmul);
  addRule<Conv1dOp>(rules, conv1d);
  addRule<ConvTranspose1dOp>(rules, convTranspose1d);
}

} // namespace mapsto
