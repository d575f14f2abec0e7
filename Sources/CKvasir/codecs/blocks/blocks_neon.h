// The primitives of blocks_kernels.inc for NEON; included inside a region whose target attribute names it.
#ifndef KV_BLOCKS_NEON_H
#define KV_BLOCKS_NEON_H

#include "../kv_vector.h"
#include "blocks_layout.h"

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    uint8x16_t quarters[4];
} panel;
typedef uint8x16_t table;

INLINE kv_i32x16 splat(int32_t value) { return value + (kv_i32x16){0}; }

INLINE table load_table(const int8_t *codes) { return vld1q_u8((const uint8_t *)codes); }

INLINE panel load_vector(const uint8_t *source) {
    return (panel){{vld1q_u8(source), vld1q_u8(source + 16), vld1q_u8(source + 32), vld1q_u8(source + 48)}};
}

INLINE panel zero_panel(void) { return (panel){{vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)}}; }

INLINE panel field(panel vector, unsigned shift, int mask) {
    const int8x16_t right = vdupq_n_s8(-(int8_t)shift);
    for (int i = 0; i < 4; i++)
        vector.quarters[i] = vandq_u8(vshlq_u8(vector.quarters[i], right), vdupq_n_u8((uint8_t)mask));
    return vector;
}

INLINE panel add_bit(panel codes, uint64_t word, int value) {
    const uint8x16_t word_bytes = vcombine_u8(vcreate_u8(word), vdup_n_u8(0));
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    // Every byte looks at the byte of the word that holds its bit.
    uint8x16_t place = vcombine_u8(vdup_n_u8(0), vdup_n_u8(1));
    for (int i = 0; i < 4; i++, place = vaddq_u8(place, vdupq_n_u8(2))) {
        const uint8x16_t set = vtstq_u8(vqtbl1q_u8(word_bytes, place), bit);
        codes.quarters[i] = vaddq_u8(codes.quarters[i], vandq_u8(set, vdupq_n_u8((uint8_t)value)));
    }
    return codes;
}

INLINE panel lookup(table levels, panel codes) {
    for (int i = 0; i < 4; i++) codes.quarters[i] = vqtbl1q_u8(levels, codes.quarters[i]);
    return codes;
}

INLINE panel bias_level(panel vector) { return vector; }

#define QUARTER(sums, i) \
    (int32x4_t) __builtin_shufflevector(sums, sums, 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3)
#define DOT_QUARTER(i) vdotq_s32(QUARTER(sums, i), vreinterpretq_s8_u8(levels.quarters[i]), query)
#define JOIN_QUARTERS(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7)

INLINE kv_i32x16 dot_query(kv_i32x16 sums, panel levels, const int8_t *quad) {
    int32_t four;
    memcpy(&four, quad, sizeof four);
    const int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
    return __builtin_shufflevector(JOIN_QUARTERS(DOT_QUARTER(0), DOT_QUARTER(1)),
                                   JOIN_QUARTERS(DOT_QUARTER(2), DOT_QUARTER(3)),
                                   0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

INLINE kv_i32x16 dot_weights(kv_i32x16 sums, panel levels, const int8_t *quad) { return dot_query(sums, levels, quad); }

#define PANEL_BIAS 0

#endif
