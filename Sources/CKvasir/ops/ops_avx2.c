#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define KVO_HALF_LANES 8

static inline void kvo_narrow_halves(const float *x, unsigned short *out) {
    _mm_storeu_si128((__m128i_u *)out, _mm256_cvtps_ph(_mm256_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
}

static inline void kvo_widen_halves(const unsigned short *x, float *out) {
    _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)x)));
}

#define KVO_TABLE kv_ops_avx2
#include "ops_rows.h"

#pragma clang attribute pop

#endif
