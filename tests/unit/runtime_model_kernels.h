/* The code of runtime_model.h. */
#ifndef MAPSTO_TESTS_RUNTIME_MODEL_KERNELS_H
#define MAPSTO_TESTS_RUNTIME_MODEL_KERNELS_H

#include "runtime/mapsto.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const mapsto_kernel_fn accumulate_kernels[3];
/* 64-byte aligned. */
extern const float accumulate_table[4];

#ifdef __cplusplus
}
#endif

#endif
