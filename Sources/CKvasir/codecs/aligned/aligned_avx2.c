#if defined(__x86_64__)

#include "../kv_vector.h"
#include "aligned_layout.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define KV_ROWS 1
#include "aligned_kernels.inc"

#pragma clang attribute pop

const kv_aligned_kernels kv_aligned_kernels_avx2 = {score, choose_values, mix};

#endif
