// 16-bit floats as bit patterns. Swift's Float16 is missing on some platforms, so the bits travel as uint16_t.
#ifndef KV_HALF_H
#define KV_HALF_H

#include <stdint.h>
#include <string.h>

// IEEE binary16 -> binary32, exact.
static inline float kv_f16_to_f32(uint16_t bits) {
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    const uint32_t exponent = (bits >> 10) & 0x1fu;
    const uint32_t mantissa = bits & 0x3ffu;
    uint32_t out;
    if (exponent == 0x1f) {  // infinity, NaN
        out = sign | 0x7f800000u | (mantissa << 13);
    } else if (exponent != 0) {
        out = sign | ((exponent + 112) << 23) | (mantissa << 13);
    } else {  // zero, subnormal: mantissa * 2^-24 is exact in binary32
        float magnitude = (float)mantissa * 0x1p-24f;
        memcpy(&out, &magnitude, sizeof out);
        out |= sign;
    }
    float value;
    memcpy(&value, &out, sizeof value);
    return value;
}

// IEEE binary32 -> binary16, round to nearest even; overflow gives infinity, NaN stays NaN.
static inline uint16_t kv_f32_to_f16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((bits >> 13) & 0x3ffu));
    if (bits >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);  // 65520 and above round to infinity
    if (bits < 0x38800000u) {                                   // subnormal result: let the FPU round
        float magnitude;
        memcpy(&magnitude, &bits, sizeof magnitude);
        magnitude += 0.5f;  // the unit in the last place of 0.5 is 2^-24, the subnormal step
        uint32_t shifted;
        memcpy(&shifted, &magnitude, sizeof shifted);
        return (uint16_t)(sign | (shifted - 0x3f000000u));
    }
    const uint32_t rounded = bits + 0xfffu + ((bits >> 13) & 1u);
    return (uint16_t)(sign | ((rounded - 0x38000000u) >> 13));
}

static inline float kv_bf16_to_f32(uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

// binary32 -> bfloat16, round to nearest even; overflow gives infinity, NaN stays NaN.
static inline uint16_t kv_f32_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#endif
