// Rounding of activations to 8 bits: one plain source, compiled once per instruction set by inclusion. It uses single
// IEEE operations and integer arithmetic only, so that every build gives the same bytes.

#include <math.h>
#include <string.h>

#include "linear_layout.h"

static void kv_quantize(const float *x, size_t columns, kv_activation_group *groups) {
#pragma clang fp contract(off)
    for (size_t group = 0; group < columns / KV_GROUP; group++) {
        kv_activation_group *out = groups + group;
        float values[KV_GROUP];
        uint32_t bits[KV_GROUP];
        memcpy(values, x + group * KV_GROUP, sizeof values);
        memcpy(bits, values, sizeof bits);
        // As integers magnitudes are ordered like the numbers, with infinity and then NaN above them all.
        uint32_t largest = 0;
        for (int i = 0; i < KV_GROUP; i++) {
            const uint32_t magnitude = bits[i] & 0x7fffffffu;
            largest = magnitude > largest ? magnitude : largest;
        }
        const bool is_finite = largest < 0x7f800000u;
        const bool is_zero = largest < 0x04000000u;  // 2^-119: below it 127 / magnitude may overflow
        if (!is_finite || is_zero) {
            *out = (kv_activation_group){.scale = is_finite ? 0 : NAN, .sum = is_finite ? 0 : NAN};
            continue;
        }
        float magnitude;
        memcpy(&magnitude, &largest, sizeof magnitude);
        const float inverse = 127.0f / magnitude;
        int32_t codes[KV_GROUP];
        for (int i = 0; i < KV_GROUP; i++) {
            // 1.5 * 2^23 leaves no fraction bits: the addition rounds to the nearest integer, ties to even.
            const float shifted = values[i] * inverse + 0x1.8p23f;
            int32_t pattern;
            memcpy(&pattern, &shifted, sizeof pattern);
            codes[i] = pattern - 0x4b400000;
        }
        int32_t low = 0, high = 0;
        for (int i = 0; i < KV_GROUP / 2; i++) {
            low += codes[i];
            high += codes[i + KV_GROUP / 2];
        }
        for (int i = 0; i < KV_GROUP; i++) out->codes[i] = (int8_t)codes[i];
        out->scale = magnitude / 127.0f;
        out->sum = out->scale * (float)(low + high);
        out->minus_sum = -(low + high);
        out->minus_half_sum = -low;
    }
}
