#if defined(__x86_64__)

#include "quantize_internal.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c"))), apply_to = function)

#include "quantize_kernels.inc"

#pragma clang attribute pop

const kv_block_quantizer kv_block_quantizers_avx512[KV_QUANTIZERS] = QUANTIZER_TABLE;

#endif
