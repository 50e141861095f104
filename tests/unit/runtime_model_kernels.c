#include "runtime_model_kernels.h"

_Alignas(64) const float accumulate_table[4] = {1, 10, 100, 1000};

static void lookup(void *const *buffers, const int64_t *dims, void *scratch,
                   int64_t begin, int64_t end, mapsto_kernel_context *context) {
  const int64_t *ids = buffers[0];
  const float *table = buffers[1];
  float *s = buffers[2];
  for (int64_t t = begin; t < end; ++t) {
    if (ids[t] < 0 || ids[t] >= 4) {
      if (!context->error_code) {
        context->error_code = 1;
        context->error_value = ids[t];
        context->error_bound = 4;
      }
      s[t] = 0;
      continue;
    }
    s[t] = table[ids[t]];
  }
}

static void scale(void *const *buffers, const int64_t *dims, void *scratch,
                  int64_t begin, int64_t end, mapsto_kernel_context *context) {
  const float *x = buffers[0], *s = buffers[1];
  float *y = buffers[2];
  int64_t T = dims[1];
  for (int64_t b = begin; b < end; ++b)
    for (int64_t t = 0; t < T; ++t)
      y[b * T + t] = x[b * T + t] * s[t];
}

static void accumulate(void *const *buffers, const int64_t *dims, void *scratch,
                       int64_t begin, int64_t end,
                       mapsto_kernel_context *context) {
  const float *y = buffers[0], *total = buffers[1];
  float *totals = buffers[2];
  double *sum = scratch; /* 64 bytes of it */
  int64_t T = dims[1];
  for (int64_t b = begin; b < end; ++b) {
    *sum = total[b];
    for (int64_t t = 0; t < T; ++t)
      *sum += y[b * T + t];
    totals[b] = (float)*sum;
  }
}

const mapsto_kernel_fn accumulate_kernels[3] = {lookup, scale, accumulate};
