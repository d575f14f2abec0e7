#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "blocks_avx2.h"
#include "blocks_kernels.inc"

#pragma clang attribute pop

const kv_block_kernels kv_block_kernels_avx2[9] = KERNEL_TABLE;

#endif
