#ifndef KV_QUANTIZE_INTERNAL_H
#define KV_QUANTIZE_INTERNAL_H

#include <math.h>
#include <string.h>

#include "kv_block_codes.h"

#define KV_F16_MAX 65504.0f
#define KV_F32_MAX 3.40282347e+38f

// How often levels are assigned and the scale with the least squared error for them computed, before the last assignment.
#define KV_FIT_STEPS 2

extern const kv_block_quantizer kv_block_quantizers_generic[KV_QUANTIZERS];
#if defined(__x86_64__)
extern const kv_block_quantizer kv_block_quantizers_avx2[KV_QUANTIZERS], kv_block_quantizers_avx512[KV_QUANTIZERS];
#endif

#endif
