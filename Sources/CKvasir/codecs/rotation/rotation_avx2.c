#if defined(__x86_64__)

#include "rotation_internal.h"

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

#include "rotation_kernels.inc"

void kv_rotate_avx2(float *values, size_t count, size_t block) { rotate(values, count, block); }

#pragma clang attribute pop

#endif
