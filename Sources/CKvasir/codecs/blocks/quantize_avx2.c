#if defined(__x86_64__)

#include "quantize_internal.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "quantize_kernels.inc"

#pragma clang attribute pop

const kv_block_quantizer kv_block_quantizers_avx2[KV_QUANTIZERS] = QUANTIZER_TABLE;

#endif
