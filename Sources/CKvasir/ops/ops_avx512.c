#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(                                                                                       \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi"))),              \
    apply_to = function)

#define KVO_HALF_LANES 16

static inline void kvo_narrow_halves(const float *x, unsigned short *out) {
    _mm256_storeu_si256((__m256i_u *)out, _mm512_cvtps_ph(_mm512_loadu_ps(x), _MM_FROUND_TO_NEAREST_INT));
}

static inline void kvo_widen_halves(const unsigned short *x, float *out) {
    _mm512_storeu_ps(out, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i_u *)x)));
}

#define KVO_TABLE kv_ops_avx512
#include "ops_rows.h"

#pragma clang attribute pop

#endif
