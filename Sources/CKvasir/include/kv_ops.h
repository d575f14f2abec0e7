// Elementwise operations, reductions and conversions of float32 rows.
//
// Each works on one row; what it computes for an element or a row depends on nothing else. Instruction sets differ from
// one another by rounding only (fused multiply-add, order of a sum). Buffers need no alignment and do not overlap
// unless a comment says that they may be the same.
#ifndef KV_OPS_H
#define KV_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "kv_isa.h"

typedef struct {
    // out[i] = x[i] * weight[i] / sqrt(mean of x[i]^2 + epsilon). `out` may be `x`.
    void (*rms_norm)(const float *x, const float *weight, float *out, size_t count, float epsilon);

    // out[i] = (x[i] - mean) * weight[i] / sqrt(variance + epsilon) + bias[i]. `out` may be `x`.
    void (*layer_norm)(const float *x, const float *weight, const float *bias, float *out, size_t count, float epsilon);

    // Rotates the pairs (x[2i], x[2i+1]) by the angles whose cosines and sines are given, in place: the order in which
    // GGUF stores the llama family.
    void (*rope_interleaved)(float *x, const float *cosines, const float *sines, size_t pairs);

    // Rotates the pairs (x[i], x[i + pairs]), in place: the order of GPT-NeoX, Qwen and others.
    void (*rope_half)(float *x, const float *cosines, const float *sines, size_t pairs);

    // out[i] = gate[i] / (1 + exp(-gate[i])) * up[i]. `out` may be `gate` or `up`.
    void (*swiglu)(const float *gate, const float *up, float *out, size_t count);

    // out[i] = gelu(gate[i]) * up[i], with gelu(x) = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))). `out` may be
    // `gate` or `up`.
    void (*geglu_tanh)(const float *gate, const float *up, float *out, size_t count);

    // x[i] = gelu(x[i]), in place, as above.
    void (*gelu_tanh)(float *x, size_t count);

    // x[i] = max(x[i], 0), in place; NaN stays NaN.
    void (*relu)(float *x, size_t count);

    // x[i] += y[i].
    void (*add)(float *x, const float *y, size_t count);

    // x[i] *= factor.
    void (*scale)(float *x, float factor, size_t count);

    // The largest element; NaN is passed over; -infinity if nothing is left.
    float (*max)(const float *x, size_t count);

    // The first index of the largest element; NaN is passed over; 0 if nothing is left.
    size_t (*argmax)(const float *x, size_t count);

    // x[i] = exp(x[i] - maximum) in place; returns the sum. No x[i] is above `maximum` by more than 80. Relative error
    // below 2e-7 for a given difference, results below 2^-126 become 0; -infinity gives 0, also when `maximum` is
    // -infinity; NaN stays NaN.
    float (*exp_sum)(float *x, size_t count, float maximum);

    // IEEE binary16, rounded to nearest even; overflow gives infinity, NaN stays NaN.
    void (*f32_to_f16)(const float *x, uint16_t *out, size_t count);
    void (*f16_to_f32)(const uint16_t *x, float *out, size_t count);

    // bfloat16, rounded to nearest even; overflow gives infinity, NaN stays NaN.
    void (*f32_to_bf16)(const float *x, uint16_t *out, size_t count);
    void (*bf16_to_f32)(const uint16_t *x, float *out, size_t count);
} kv_ops_kernels;

// The operations for `isa`; the generic ones if this build has none for it. Never NULL.
// The caller makes sure that the machine executes `isa`.
const kv_ops_kernels *kv_ops_kernels_for(kv_isa isa);

#endif
