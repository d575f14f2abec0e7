#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

#include "blocks_avx512.h"
#include "blocks_kernels.inc"

#pragma clang attribute pop

const kv_block_kernels kv_block_kernels_avx512[9] = KERNEL_TABLE;

#endif
