// The primitives of blocks_kernels.inc for AVX-512; included inside a region whose target attribute names it.
#ifndef KV_BLOCKS_AVX512_H
#define KV_BLOCKS_AVX512_H

#include "../kv_vector.h"
#include "blocks_layout.h"

#define INLINE static inline __attribute__((always_inline))

typedef __m512i panel;
typedef __m512i table;

INLINE kv_i32x16 splat(int32_t value) { return value + (kv_i32x16){0}; }

INLINE table load_table(const int8_t *codes) {
    const __m512i signed_codes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)codes));
    return _mm512_xor_si512(signed_codes, _mm512_set1_epi8((char)0x80));  // + 128
}

INLINE panel load_vector(const uint8_t *source) { return _mm512_loadu_si512(source); }
INLINE panel zero_panel(void) { return _mm512_setzero_si512(); }

INLINE panel field(panel vector, unsigned shift, int mask) {
    return _mm512_and_si512(_mm512_srli_epi16(vector, shift), _mm512_set1_epi8((char)mask));
}

INLINE panel add_bit(panel codes, uint64_t word, int value) {
    return _mm512_mask_add_epi8(codes, word, codes, _mm512_set1_epi8((char)value));
}

INLINE panel lookup(table levels, panel codes) { return _mm512_shuffle_epi8(levels, codes); }
INLINE panel bias_level(panel vector) { return _mm512_xor_si512(vector, _mm512_set1_epi8((char)0x80)); }

INLINE kv_i32x16 dot_query(kv_i32x16 sums, panel levels, const int8_t *quad) {
    int32_t four;
    memcpy(&four, quad, sizeof four);
    return (kv_i32x16)_mm512_dpbusd_epi32((__m512i)sums, levels, _mm512_set1_epi32(four));
}

INLINE kv_i32x16 dot_weights(kv_i32x16 sums, panel levels, const int8_t *quad) { return dot_query(sums, levels, quad); }

#define PANEL_BIAS 128

#endif
