// Linear layers with NEON and its dot product: one register holds 4 rows by 4 columns of codes, and an activation quad
// is a lane of a register of 16.

#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "linear_kernels.h"
#include "linear_layout.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "linear_quantize.h"

enum { KVV_LANES = 4, KVV_TOKENS = 4, KVV_SIGNED_EIGHT = 1 };

typedef uint8x16_t kvv_bytes;
typedef int32x4_t kvv_int;
typedef float32x4_t kvv_float;

KV_INLINE kvv_bytes kvv_load_bytes(const uint8_t *p) { return vld1q_u8(p); }
KV_INLINE kvv_bytes kvv_or(kvv_bytes a, kvv_bytes b) { return vorrq_u8(a, b); }

// Moves the bits at `from` of every byte to `to`; `mask` selects them there.
KV_INLINE kvv_bytes kvv_field(kvv_bytes a, int from, int to, uint8_t mask) {
    return vandq_u8(vshlq_u8(a, vdupq_n_s8((int8_t)(to - from))), vdupq_n_u8(mask));
}

KV_INLINE kvv_int kvv_int_zero(void) { return vdupq_n_s32(0); }
KV_INLINE kvv_int kvv_int_set(const int32_t *p) { return vld1q_dup_s32(p); }
KV_INLINE kvv_int kvv_int_sub(kvv_int a, kvv_int b) { return vsubq_s32(a, b); }
KV_INLINE kvv_int kvv_int_shift(kvv_int a, int shift) { return vshlq_s32(a, vdupq_n_s32(shift)); }

KV_INLINE kvv_float kvv_set(float value) { return vdupq_n_f32(value); }
KV_INLINE kvv_float kvv_add(kvv_float a, kvv_float b) { return vaddq_f32(a, b); }
KV_INLINE kvv_float kvv_sub(kvv_float a, kvv_float b) { return vsubq_f32(a, b); }
KV_INLINE kvv_float kvv_mul(kvv_float a, kvv_float b) { return vmulq_f32(a, b); }
KV_INLINE kvv_float kvv_fma(kvv_float a, kvv_float b, kvv_float c) { return vfmaq_f32(c, a, b); }
KV_INLINE kvv_float kvv_to_float(kvv_int a) { return vcvtq_f32_s32(a); }

// Packed tiles are byte strings without alignment: every load goes through bytes.
KV_INLINE kvv_float kvv_load_f32(const void *p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
KV_INLINE kvv_float kvv_load_f16(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
KV_INLINE kvv_float kvv_load_bf16(const void *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}
KV_INLINE uint8x8_t load_four(const void *p) {
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return vreinterpret_u8_u32(vdup_n_u32(four));
}
KV_INLINE kvv_float kvv_load_u8(const void *p) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(load_four(p)))));
}
KV_INLINE kvv_float kvv_load_s8(const void *p) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load_four(p))))));
}

// Byte k of every 32-bit lane.
KV_INLINE kvv_float kvv_byte_to_float(kvv_bytes a, int k) {
    const uint32x4_t moved = vshlq_u32(vreinterpretq_u32_u8(a), vdupq_n_s32(-8 * k));
    return vcvtq_f32_u32(vandq_u32(moved, vdupq_n_u32(0xff)));
}

KV_INLINE void kvv_store(float *p, kvv_float a, size_t lanes) {
    if (lanes == KVV_LANES) {
        vst1q_f32(p, a);
    } else if (lanes != 0) {
        float buffer[KVV_LANES];
        vst1q_f32(buffer, a);
        memcpy(p, buffer, lanes * sizeof(float));
    }
}

#include "linear_multiply.h"

// The lane must be a literal; the switch folds once the loop over quads is unrolled.
KV_INLINE int32x4_t dot_lane(int32x4_t sum, int8x16_t codes, int8x16_t activations, int lane) {
    switch (lane) {
    case 0:
        return vdotq_laneq_s32(sum, codes, activations, 0);
    case 1:
        return vdotq_laneq_s32(sum, codes, activations, 1);
    case 2:
        return vdotq_laneq_s32(sum, codes, activations, 2);
    default:
        return vdotq_laneq_s32(sum, codes, activations, 3);
    }
}

KV_INLINE void kvv_group_dots(const kv_weight_type type, const int tokens, const uint8_t *packed, int first, int quads,
                              const kv_activation_group *a, size_t stride, kvv_int *dots) {
#pragma unroll
    for (int start = first; start < first + quads; start += 4) {
        int8x16_t activations[KVV_TOKENS];
#pragma unroll
        for (int t = 0; t < tokens; t++) activations[t] = vld1q_s8(a[(size_t)t * stride].codes + 4 * start);
#pragma unroll
        for (int quad = start; quad < start + 4; quad++) {
            const uint8x16_t codes = kvv_codes(type, packed, quad);
            // Codes of up to 6 bits are the same signed and unsigned.
            const uint8x16_t flip = vdupq_n_u8(kv_layout_bits(type) == 8 ? 0x80 : 0);
            const int8x16_t bytes = vreinterpretq_s8_u8(veorq_u8(codes, flip));
#pragma unroll
            for (int t = 0; t < tokens; t++) dots[t] = dot_lane(dots[t], bytes, activations[t], quad - start);
        }
    }
}

#pragma clang attribute pop

const kv_linear_kernels kv_linear_neon = {
    .quantize = kv_quantize,
    .quantize_token = kv_quantize_token,
    .multiply = kvv_multiply,
    .multiply_f32 = kvv_multiply_f32,
};

#endif
