#if defined(__x86_64__)

#include <math.h>

#include "../kv_vector.h"
#include "coupled_layout.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

#define KV_ROWS 4
#define ROWS_TOGETHER 3
#define GROUPS_TOGETHER 4
#include "coupled_kernels.inc"

void kv_coupled_encode_avx2(const kv_coupled_format *format, const float *vector, size_t slot, void *part) {
    encode(format, vector, slot, part);
}

#pragma clang attribute pop

const kv_coupled_kernels kv_coupled_avx2 = {encode, score_tiles, products, score_products, mix};

#endif
