#if defined(__x86_64__)

#include <immintrin.h>

#include "../kv_vector.h"
#include "qaq_layout.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

// A word of a plane is a mask register.
static inline __attribute__((always_inline)) kv_f32x16 add_where(kv_f32x16 lanes, uint16_t bits, float step) {
    return (kv_f32x16)_mm512_mask_add_ps((__m512)lanes, bits, (__m512)lanes, _mm512_set1_ps(step));
}

#define KV_ROWS 12
#include "qaq_kernels.inc"

#pragma clang attribute pop

const kv_qaq_kernels kv_qaq_avx512 = {score, mix};

#endif
