#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#include "../kv_vector.h"
#include "codebook4_internal.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

static inline __attribute__((always_inline)) kv_i32x16 splat(int32_t value) { return value + (kv_i32x16){0}; }

static inline __attribute__((always_inline)) kv_f32x16 load_scales(const uint16_t *scales) {
    return __builtin_convertvector(*(const kv_f16x16_unaligned *)scales, kv_f32x16);
}

typedef struct {
    int8x16_t quarters[4];
} panel;
typedef int8x16_t table;

static inline __attribute__((always_inline)) table load_table(const int8_t *codes) { return vld1q_s8(codes); }

static inline __attribute__((always_inline)) void unpack(const uint8_t *source, table levels, panel *low, panel *high) {
    for (int quarter = 0; quarter < 4; quarter++) {
        const uint8x16_t bytes = vld1q_u8(source + 16 * quarter);
        low->quarters[quarter] = vqtbl1q_s8(levels, vandq_u8(bytes, vdupq_n_u8(15)));
        high->quarters[quarter] = vqtbl1q_s8(levels, vshrq_n_u8(bytes, 4));
    }
}

static inline __attribute__((always_inline)) kv_i32x16 dot_query(kv_i32x16 sums, panel levels, const int8_t *quad) {
    int32_t four;
    memcpy(&four, quad, sizeof four);
    const int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
    int32_t lanes[16];
    memcpy(lanes, &sums, sizeof lanes);
    for (int quarter = 0; quarter < 4; quarter++)
        vst1q_s32(lanes + 4 * quarter, vdotq_s32(vld1q_s32(lanes + 4 * quarter), levels.quarters[quarter], query));
    memcpy(&sums, lanes, sizeof lanes);
    return sums;
}

static inline __attribute__((always_inline)) kv_i32x16 dot_weights(kv_i32x16 sums, panel levels, const int8_t *quad) { return dot_query(sums, levels, quad); }

#define PANEL_BIAS 0
#include "codebook4_fast.inc"

#pragma clang attribute pop

const kv_codebook4_kernels kv_codebook4_kernels_neon = {score, mix};

#endif
