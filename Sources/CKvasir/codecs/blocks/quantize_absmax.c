// The quantizer of codebooks whose largest level is 1: a block is scaled by its largest magnitude.

#include <math.h>
#include <string.h>

#include "kv_block_codes.h"

static float largest_magnitude(const float *values, size_t count) {
    float largest = 0;
    for (size_t i = 0; i < count; i++) {
        const float magnitude = fabsf(values[i]);
        // False for NaN, which therefore never reaches the scale.
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

static inline __attribute__((always_inline)) void nearest_codes(const kv_block_format *format, unsigned bits,
                                                                const float *values, size_t count, float scale,
                                                                uint8_t *codes) {
    for (size_t i = 0; i < count; i++) {
        const float value = values[i] / scale;
        unsigned code = 0;
        for (unsigned level = 0; level + 1 < 1u << bits; level++) code += value > format->thresholds[level];
        codes[i] = (uint8_t)(value == value ? code : format->zero_code);
    }
}

void kv_quantize_absmax(const kv_block_format *format, const float *values, size_t count, uint8_t *codes,
                        float *scale, float *offset) {
    (void)offset;
    *scale = kv_block_round_scale_up(format, largest_magnitude(values, count));
    if (*scale == 0) {
        memset(codes, (int)format->zero_code, count);
        return;
    }
    switch (format->bits) {
    case 2: nearest_codes(format, 2, values, count, *scale, codes); break;
    case 3: nearest_codes(format, 3, values, count, *scale, codes); break;
    default: nearest_codes(format, 4, values, count, *scale, codes); break;
    }
}
