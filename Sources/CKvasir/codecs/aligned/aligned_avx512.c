#if defined(__x86_64__)

#include "../kv_vector.h"
#include "aligned_layout.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

#define KV_ROWS 6
#include "aligned_kernels.inc"

#pragma clang attribute pop

const kv_aligned_kernels kv_aligned_kernels_avx512 = {score, choose_values, mix};

#endif
