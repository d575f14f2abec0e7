#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "../kv_vector.h"
#include "codebook4_internal.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) kv_i32x16 splat(int32_t value) { return value + (kv_i32x16){0}; }

static inline __attribute__((always_inline)) kv_f32x16 load_scales(const uint16_t *scales) {
    return __builtin_convertvector(*(const kv_f16x16_unaligned *)scales, kv_f32x16);
}

typedef struct {
    __m256i halves[2];
} panel;
typedef __m256i table;
typedef int32_t half_sums __attribute__((vector_size(32)));

static inline __attribute__((always_inline)) table load_table(const int8_t *codes) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)codes));
}

static inline __attribute__((always_inline)) void unpack(const uint8_t *source, table levels, panel *low, panel *high) {
    const __m256i mask = _mm256_set1_epi8(15);
    for (int half = 0; half < 2; half++) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)source + half);
        low->halves[half] = _mm256_shuffle_epi8(levels, _mm256_and_si256(bytes, mask));
        high->halves[half] = _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask));
    }
}

// 127 x 127 x 2 fits the 16 bits of vpmaddubsw, so nothing saturates.
static inline __attribute__((always_inline)) half_sums dot_half(half_sums sums, __m256i magnitudes, __m256i codes) {
    const __m256i pairs = _mm256_maddubs_epi16(magnitudes, codes);
    return sums + (half_sums)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

static inline __attribute__((always_inline)) __m256i broadcast_quad(const int8_t *quad) {
    int32_t four;
    memcpy(&four, quad, sizeof four);
    return _mm256_set1_epi32(four);
}

#define LOWER_HALF(sums) __builtin_shufflevector(sums, sums, 0, 1, 2, 3, 4, 5, 6, 7)
#define UPPER_HALF(sums) __builtin_shufflevector(sums, sums, 8, 9, 10, 11, 12, 13, 14, 15)
#define JOIN(lower, upper) \
    __builtin_shufflevector(lower, upper, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

// The instruction multiplies unsigned by signed bytes: the sign moves from the level to the query.
static inline __attribute__((always_inline)) kv_i32x16 dot_query(kv_i32x16 sums, panel levels, const int8_t *quad) {
    const __m256i query = broadcast_quad(quad), first = levels.halves[0], second = levels.halves[1];
    const half_sums lower = dot_half(LOWER_HALF(sums), _mm256_abs_epi8(first), _mm256_sign_epi8(query, first));
    const half_sums upper = dot_half(UPPER_HALF(sums), _mm256_abs_epi8(second), _mm256_sign_epi8(query, second));
    return JOIN(lower, upper);
}

static inline __attribute__((always_inline)) kv_i32x16 dot_weights(kv_i32x16 sums, panel levels, const int8_t *quad) {
    const __m256i weights = broadcast_quad(quad);
    const half_sums lower = dot_half(LOWER_HALF(sums), weights, levels.halves[0]);
    const half_sums upper = dot_half(UPPER_HALF(sums), weights, levels.halves[1]);
    return JOIN(lower, upper);
}

#define PANEL_BIAS 0
#include "codebook4_fast.inc"

#pragma clang attribute pop

const kv_codebook4_kernels kv_codebook4_kernels_avx2 = {score, mix};

#endif
