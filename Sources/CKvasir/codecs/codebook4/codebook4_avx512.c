#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "../kv_vector.h"
#include "codebook4_internal.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) kv_i32x16 splat(int32_t value) { return value + (kv_i32x16){0}; }

static inline __attribute__((always_inline)) kv_f32x16 load_scales(const uint16_t *scales) {
    return __builtin_convertvector(*(const kv_f16x16_unaligned *)scales, kv_f32x16);
}

typedef __m512i panel;
typedef __m512i table;

static inline __attribute__((always_inline)) table load_table(const int8_t *codes) {
    const __m512i signed_codes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)codes));
    return _mm512_xor_si512(signed_codes, _mm512_set1_epi8((char)0x80));  // + 128
}

static inline __attribute__((always_inline)) void unpack(const uint8_t *source, table levels, panel *low, panel *high) {
    const __m512i bytes = _mm512_loadu_si512(source), mask = _mm512_set1_epi8(15);
    *low = _mm512_shuffle_epi8(levels, _mm512_and_si512(bytes, mask));
    *high = _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask));
}

static inline __attribute__((always_inline)) kv_i32x16 dot_query(kv_i32x16 sums, panel levels, const int8_t *quad) {
    int32_t four;
    memcpy(&four, quad, sizeof four);
    return (kv_i32x16)_mm512_dpbusd_epi32((__m512i)sums, levels, _mm512_set1_epi32(four));
}

static inline __attribute__((always_inline)) kv_i32x16 dot_weights(kv_i32x16 sums, panel levels, const int8_t *quad) { return dot_query(sums, levels, quad); }

#define PANEL_BIAS 128
#include "codebook4_fast.inc"

#pragma clang attribute pop

const kv_codebook4_kernels kv_codebook4_kernels_avx512 = {score, mix};

#endif
