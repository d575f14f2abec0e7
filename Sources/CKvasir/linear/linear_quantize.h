// Rounding of activations to 8 bits: one plain source, compiled once per instruction set by inclusion. It uses single
// IEEE operations and integer arithmetic only, so that every build gives the same bytes.

#include <math.h>
#include <string.h>

#include "linear_layout.h"

// The sum of 16 codes. In lanes of an integer: of a loop over a vector's elements the compiler takes each out by itself, which
// was most of the time that rounding took.
KV_INLINE int32_t kv_sum_codes(const int8_t *codes) {
    const uint64_t even = 0x00ff00ff00ff00ffu;
    uint64_t words[2];
    memcpy(words, codes, sizeof words);
    uint64_t sums = 0;
    for (int i = 0; i < 2; i++) {
        const uint64_t shifted = words[i] ^ 0x8080808080808080u;  // code + 128
        sums += (shifted & even) + (shifted >> 8 & even);
    }
    return (int32_t)(sums * 0x0001000100010001u >> 48) - 16 * 128;
}

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
        for (int i = 0; i < KV_GROUP; i++) out->codes[i] = (int8_t)codes[i];
        const int32_t low = kv_sum_codes(out->codes);
        const int32_t high = kv_sum_codes(out->codes + KV_GROUP / 2);
        out->scale = magnitude / 127.0f;
        out->sum = out->scale * (float)(low + high);
        out->minus_sum = -(low + high);
        out->minus_half_sum = -low;
    }
}

// The same with one scale for the whole token; `limit` in place of its own largest magnitude unless it is 0.
static void kv_quantize_token(const float *x, size_t columns, float limit, kv_activation_group *groups) {
#pragma clang fp contract(off)
    uint32_t largest = 0;
    for (size_t i = 0; i < columns; i++) {
        uint32_t magnitude;
        memcpy(&magnitude, x + i, sizeof magnitude);
        magnitude &= 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
    }
    const bool is_finite = largest < 0x7f800000u;
    float magnitude;
    memcpy(&magnitude, &largest, sizeof magnitude);
    if (limit > 0) magnitude = limit;
    const bool is_zero = is_finite && magnitude < 0x1p-119f;
    const size_t count = (columns + KV_GROUP - 1) / KV_GROUP;
    const float inverse = is_zero || !is_finite ? 0 : 127.0f / magnitude;
    int32_t sum = 0;
    for (size_t group = 0; group < count; group++) {
        const size_t width = columns - group * KV_GROUP < KV_GROUP ? columns - group * KV_GROUP : KV_GROUP;
        float values[KV_GROUP] = {0};
        if (is_finite) memcpy(values, x + group * KV_GROUP, width * sizeof(float));
        int32_t codes[KV_GROUP];
        for (int i = 0; i < KV_GROUP; i++) {
            float scaled = values[i] * inverse;
            scaled = scaled > 127.0f ? 127.0f : scaled;
            scaled = scaled < -127.0f ? -127.0f : scaled;
            const float shifted = scaled + 0x1.8p23f;
            int32_t pattern;
            memcpy(&pattern, &shifted, sizeof pattern);
            codes[i] = pattern - 0x4b400000;
        }
        for (int i = 0; i < KV_GROUP; i++) groups[group].codes[i] = (int8_t)codes[i];
        sum += kv_sum_codes(groups[group].codes) + kv_sum_codes(groups[group].codes + KV_GROUP / 2);
    }
    const float scale = is_finite ? is_zero ? 0 : magnitude / 127.0f : NAN;
    for (size_t group = 0; group < count; group++) {
        groups[group].scale = scale;
        groups[group].sum = scale * (float)sum;
        groups[group].minus_sum = -sum;
        groups[group].minus_half_sum = 0;
    }
}
