#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#include "../kv_vector.h"
#include "blocks_layout.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

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
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    for (int i = 0; i < 4; i++) {
        const uint8x16_t bytes =
            vcombine_u8(vdup_n_u8((uint8_t)(word >> 16 * i)), vdup_n_u8((uint8_t)(word >> (16 * i + 8))));
        codes.quarters[i] = vaddq_u8(codes.quarters[i], vandq_u8(vtstq_u8(bytes, bit), vdupq_n_u8((uint8_t)value)));
    }
    return codes;
}

INLINE panel lookup(table levels, panel codes) {
    for (int i = 0; i < 4; i++) codes.quarters[i] = vqtbl1q_u8(levels, codes.quarters[i]);
    return codes;
}

INLINE panel bias_level(panel vector) { return vector; }

INLINE kv_i32x16 dot_query(kv_i32x16 sums, panel levels, const int8_t *quad) {
    int32_t four;
    memcpy(&four, quad, sizeof four);
    const int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
    int32_t lanes[16];
    memcpy(lanes, &sums, sizeof lanes);
    for (int i = 0; i < 4; i++)
        vst1q_s32(lanes + 4 * i,
                  vdotq_s32(vld1q_s32(lanes + 4 * i), vreinterpretq_s8_u8(levels.quarters[i]), query));
    memcpy(&sums, lanes, sizeof lanes);
    return sums;
}

INLINE kv_i32x16 dot_weights(kv_i32x16 sums, panel levels, const int8_t *quad) { return dot_query(sums, levels, quad); }

#define PANEL_BIAS 0
#include "blocks_kernels.inc"

#pragma clang attribute pop

const kv_block_kernels kv_block_kernels_neon[9] = KERNEL_TABLE;

#endif
