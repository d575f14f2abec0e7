// The elementwise operations in plain C, compiled once per instruction set by inclusion and vectorised by the compiler.
// The including file defines, for its instruction set, the conversion of KVO_HALF_LANES halves at a time, or leaves
// KVO_HALF_LANES at 0, and the name KVO_TABLE of the table that ends this file.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kv_half.h"
#include "ops_kernels.h"

// Elements are independent of one another even where two arguments are the same buffer, which is all the compiler needs
// to know to vectorise without run-time checks for overlap.
#define KVO_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")

static inline float kvo_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t kvo_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// e^r for |r| <= ln 2 / 2: 1 + r + r^2 q(r) with a minimax polynomial q (3e-9).
static inline __attribute__((always_inline)) float kvo_exp_series(float r) {
    float q = 0x1.6a2434p-10f;
    q = q * r + 0x1.1239e2p-7f;
    q = q * r + 0x1.5558f2p-5f;
    q = q * r + 0x1.555492p-3f;
    q = q * r + 0x1.fffffcp-2f;
    return (q * r) * r + r + 1.0f;
}

// e^x with a relative error below 2e-7, subnormal results included up to their own rounding.
//
// x = n ln 2 + r with |r| <= ln 2 / 2, then the series of e^r, then two powers of two in turn, since 2^n alone leaves the range of normal numbers at both ends. No branch and no conversion from a float
// that might be NaN to an integer.
static inline __attribute__((always_inline)) float kvo_exp(float x) {
    x = x < -104.0f ? -104.0f : x;  // NaN passes both comparisons
    x = x > 89.0f ? 89.0f : x;
    const float shifted = x * 0x1.715476p0f + 0x1.8p23f;  // rounds to an integer in the low bits
    const float n = shifted - 0x1.8p23f;
    const float r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
    const float p = kvo_exp_series(r);
    const int32_t exponent = (int32_t)(kvo_bits(shifted) - 0x4b400000u);
    const int32_t half = exponent >> 1;
    const float first = kvo_from_bits((uint32_t)(half + 127) << 23);
    const float second = kvo_from_bits((uint32_t)(exponent - half + 127) << 23);
    return p * first * second;
}

// The same for x that is not positive, as the softmax has it: results below 2^-126 become 0, and one power of two does.
static inline __attribute__((always_inline)) float kvo_exp_negative(float x) {
    const float smallest = -87.336548f;
    const float clamped = x < smallest ? smallest : x;
    const float shifted = clamped * 0x1.715476p0f + 0x1.8p23f;
    const float n = shifted - 0x1.8p23f;
    const float r = (clamped - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
    const float p = kvo_exp_series(r);
    const float value = p * kvo_from_bits((kvo_bits(shifted) << 23) + 0x3f800000u);
    return x < smallest ? 0.0f : value;
}

static void kvo_rms_norm(const float *x, const float *weight, float *out, size_t count, float epsilon) {
    float sum = 0;
    {
#pragma clang fp reassociate(on)
        for (size_t i = 0; i < count; i++) sum += x[i] * x[i];
    }
    const float factor = 1.0f / __builtin_elementwise_sqrt(sum / (float)count + epsilon);
    KVO_INDEPENDENT
    for (size_t i = 0; i < count; i++) out[i] = x[i] * factor * weight[i];
}

static void kvo_layer_norm(const float *x, const float *weight, const float *bias, float *out, size_t count,
                           float epsilon) {
    float sum = 0;
    {
#pragma clang fp reassociate(on)
        for (size_t i = 0; i < count; i++) sum += x[i];
    }
    const float mean = sum / (float)count;
    // A second pass: the difference of two large sums would lose what the variance is made of.
    float squares = 0;
    {
#pragma clang fp reassociate(on)
        for (size_t i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
    }
    const float factor = 1.0f / __builtin_elementwise_sqrt(squares / (float)count + epsilon);
    KVO_INDEPENDENT
    for (size_t i = 0; i < count; i++) out[i] = (x[i] - mean) * factor * weight[i] + bias[i];
}

static void kvo_rope_interleaved(float *restrict x, const float *restrict cosines, const float *restrict sines,
                                 size_t pairs) {
    for (size_t i = 0; i < pairs; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosines[i] - b * sines[i];
        x[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
}

static void kvo_rope_half(float *restrict x, const float *restrict cosines, const float *restrict sines,
                          size_t pairs) {
    float *restrict second = x + pairs;
    for (size_t i = 0; i < pairs; i++) {
        const float a = x[i], b = second[i];
        x[i] = a * cosines[i] - b * sines[i];
        second[i] = a * sines[i] + b * cosines[i];
    }
}

static void kvo_swiglu(const float *gate, const float *up, float *out, size_t count) {
    KVO_INDEPENDENT
    for (size_t i = 0; i < count; i++) out[i] = gate[i] / (1.0f + kvo_exp(-gate[i])) * up[i];
}

// x / 2 * (1 + tanh(u)) = x / (1 + exp(-2u)) with u = sqrt(2 / pi) * (x + 0.044715 x^3).
static inline __attribute__((always_inline)) float kvo_gelu(float x) {
    const float twice = 0x1.988454p0f * (x + 0x1.6e4e26p-5f * x * x * x);
    return x / (1.0f + kvo_exp(-twice));
}

static void kvo_geglu_tanh(const float *gate, const float *up, float *out, size_t count) {
    KVO_INDEPENDENT
    for (size_t i = 0; i < count; i++) out[i] = kvo_gelu(gate[i]) * up[i];
}

static void kvo_gelu_tanh(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = kvo_gelu(x[i]);
}

static void kvo_relu(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = x[i] < 0 ? 0 : x[i];
}

static void kvo_add(float *restrict x, const float *restrict y, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] += y[i];
}

static void kvo_scale(float *x, float factor, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] *= factor;
}

// Lanes of the maximum: a comparison chooses what `>` says, so that NaN is passed over; four registers of 512 bits.
enum { KVO_MAX_LANES = 64 };

static float kvo_max(const float *x, size_t count) {
    float lanes[KVO_MAX_LANES];
    for (int j = 0; j < KVO_MAX_LANES; j++) lanes[j] = -INFINITY;
    size_t i = 0;
    for (; i + KVO_MAX_LANES <= count; i += KVO_MAX_LANES) {
        for (int j = 0; j < KVO_MAX_LANES; j++) lanes[j] = x[i + (size_t)j] > lanes[j] ? x[i + (size_t)j] : lanes[j];
    }
    float largest = -INFINITY;
    for (; i < count; i++) largest = x[i] > largest ? x[i] : largest;
    for (int width = KVO_MAX_LANES / 2; width > 0; width /= 2) {
        for (int j = 0; j < width; j++) lanes[j] = lanes[j + width] > lanes[j] ? lanes[j + width] : lanes[j];
    }
    return lanes[0] > largest ? lanes[0] : largest;
}

static size_t kvo_argmax(const float *x, size_t count) {
    const float largest = kvo_max(x, count);
    size_t i = 0;
    for (; i + KVO_MAX_LANES <= count; i += KVO_MAX_LANES) {
        uint32_t found = 0;
        for (int j = 0; j < KVO_MAX_LANES; j++) found |= x[i + (size_t)j] == largest;
        if (found != 0) break;
    }
    for (; i < count; i++) {
        if (x[i] == largest) return i;
    }
    return 0;
}

static float kvo_exp_sum(float *x, size_t count, float maximum) {
    const float shift = maximum == -INFINITY ? 0.0f : maximum;
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
        const float value = kvo_exp_negative(x[i] - shift);
        x[i] = value;
        {
#pragma clang fp reassociate(on)
            sum += value;
        }
    }
    return sum;
}

static void kvo_f32_to_f16(const float *restrict x, uint16_t *restrict out, size_t count) {
    size_t i = 0;
#if KVO_HALF_LANES > 0
    for (; i + KVO_HALF_LANES <= count; i += KVO_HALF_LANES) kvo_narrow_halves(x + i, out + i);
#endif
    for (; i < count; i++) out[i] = kv_f32_to_f16(x[i]);
}

static void kvo_f16_to_f32(const uint16_t *restrict x, float *restrict out, size_t count) {
    size_t i = 0;
#if KVO_HALF_LANES > 0
    for (; i + KVO_HALF_LANES <= count; i += KVO_HALF_LANES) kvo_widen_halves(x + i, out + i);
#endif
    for (; i < count; i++) out[i] = kv_f16_to_f32(x[i]);
}

static void kvo_f32_to_bf16(const float *restrict x, uint16_t *restrict out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = kvo_bits(x[i]);
        const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
        const uint32_t quiet = bits | 0x400000u;
        out[i] = (uint16_t)(((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded) >> 16);
    }
}

static void kvo_bf16_to_f32(const uint16_t *restrict x, float *restrict out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = kv_bf16_to_f32(x[i]);
}

const kv_ops_kernels KVO_TABLE = {
    .rms_norm = kvo_rms_norm,
    .layer_norm = kvo_layer_norm,
    .rope_interleaved = kvo_rope_interleaved,
    .rope_half = kvo_rope_half,
    .swiglu = kvo_swiglu,
    .geglu_tanh = kvo_geglu_tanh,
    .gelu_tanh = kvo_gelu_tanh,
    .relu = kvo_relu,
    .add = kvo_add,
    .scale = kvo_scale,
    .max = kvo_max,
    .argmax = kvo_argmax,
    .exp_sum = kvo_exp_sum,
    .f32_to_f16 = kvo_f32_to_f16,
    .f16_to_f32 = kvo_f16_to_f32,
    .f32_to_bf16 = kvo_f32_to_bf16,
    .bf16_to_f32 = kvo_bf16_to_f32,
};
