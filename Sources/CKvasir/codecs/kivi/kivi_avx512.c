#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

#include "../blocks/blocks_avx512.h"
#include "kivi_layout.h"
#include "kivi_kernels.inc"

#pragma clang attribute pop

const kv_kivi_score kv_kivi_score_avx512[5] = KERNEL_TABLE;

#endif
