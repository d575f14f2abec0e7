#if defined(__aarch64__)

#include <arm_neon.h>

#define KVO_HALF_LANES 4

static inline void kvo_narrow_halves(const float *x, uint16_t *out) {
    vst1_u16(out, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x))));
}

static inline void kvo_widen_halves(const uint16_t *x, float *out) {
    vst1q_f32(out, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x))));
}

#define KVO_TABLE kv_ops_neon
#include "ops_rows.h"

#endif
