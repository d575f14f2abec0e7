// The primitives of blocks_kernels.inc for AVX2; included inside a region whose target attribute names it.
#ifndef KV_BLOCKS_AVX2_H
#define KV_BLOCKS_AVX2_H

#include "../kv_vector.h"
#include "blocks_layout.h"

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    __m256i halves[2];
} panel;
typedef __m256i table;
typedef int32_t half_sums __attribute__((vector_size(32)));

INLINE kv_i32x16 splat(int32_t value) { return value + (kv_i32x16){0}; }

INLINE table load_table(const int8_t *codes) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)codes));
}

INLINE panel load_vector(const uint8_t *source) {
    return (panel){{_mm256_loadu_si256((const __m256i *)source), _mm256_loadu_si256((const __m256i *)source + 1)}};
}

INLINE panel zero_panel(void) { return (panel){{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }

INLINE panel field(panel vector, unsigned shift, int mask) {
    for (int half = 0; half < 2; half++)
        vector.halves[half] =
            _mm256_and_si256(_mm256_srli_epi16(vector.halves[half], (int)shift), _mm256_set1_epi8((char)mask));
    return vector;
}

INLINE panel add_bit(panel codes, uint64_t word, int value) {
    // Every byte looks at the byte of the word that holds its bit.
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    for (int half = 0; half < 2; half++) {
        const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)(word >> 32 * half)), spread);
        const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
        codes.halves[half] =
            _mm256_add_epi8(codes.halves[half], _mm256_and_si256(set, _mm256_set1_epi8((char)value)));
    }
    return codes;
}

INLINE panel lookup(table levels, panel codes) {
    for (int half = 0; half < 2; half++) codes.halves[half] = _mm256_shuffle_epi8(levels, codes.halves[half]);
    return codes;
}

INLINE panel bias_level(panel vector) { return vector; }

// 127 x 127 x 2 fits the 16 bits of vpmaddubsw, so nothing saturates.
INLINE half_sums dot_half(half_sums sums, __m256i magnitudes, __m256i codes) {
    const __m256i pairs = _mm256_maddubs_epi16(magnitudes, codes);
    return sums + (half_sums)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

INLINE __m256i broadcast_quad(const int8_t *quad) {
    int32_t four;
    memcpy(&four, quad, sizeof four);
    return _mm256_set1_epi32(four);
}

#define LOWER_HALF(sums) __builtin_shufflevector(sums, sums, 0, 1, 2, 3, 4, 5, 6, 7)
#define UPPER_HALF(sums) __builtin_shufflevector(sums, sums, 8, 9, 10, 11, 12, 13, 14, 15)
#define JOIN(lower, upper) \
    __builtin_shufflevector(lower, upper, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

// The instruction multiplies unsigned by signed bytes: the sign moves from the level to the query.
INLINE kv_i32x16 dot_query(kv_i32x16 sums, panel levels, const int8_t *quad) {
    const __m256i query = broadcast_quad(quad), first = levels.halves[0], second = levels.halves[1];
    const half_sums lower = dot_half(LOWER_HALF(sums), _mm256_abs_epi8(first), _mm256_sign_epi8(query, first));
    const half_sums upper = dot_half(UPPER_HALF(sums), _mm256_abs_epi8(second), _mm256_sign_epi8(query, second));
    return JOIN(lower, upper);
}

INLINE kv_i32x16 dot_weights(kv_i32x16 sums, panel levels, const int8_t *quad) {
    const __m256i weights = broadcast_quad(quad);
    const half_sums lower = dot_half(LOWER_HALF(sums), weights, levels.halves[0]);
    const half_sums upper = dot_half(UPPER_HALF(sums), weights, levels.halves[1]);
    return JOIN(lower, upper);
}

#define PANEL_BIAS 0

#endif
