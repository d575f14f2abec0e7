#include "kv_weights.h"

#include <string.h>

#include "kv_blocks.h"
#include "kv_half.h"

// Every product below is exact in binary32: a binary16 scale has 11 significant bits, and the codes and sub-block
// scales it meets have at most 12 together. So each value is rounded at most once, and the result does not depend on
// whether the compiler fuses the multiplication with the addition.

static void dequantize_f32(const void *packed, float *values, size_t count) {
    memcpy(values, packed, count * sizeof *values);
}

static void dequantize_f16(const void *packed, float *values, size_t count) {
    const uint8_t *bytes = packed;
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + 2 * i, sizeof bits);
        values[i] = kv_f16_to_f32(bits);
    }
}

static void dequantize_bf16(const void *packed, float *values, size_t count) {
    const uint8_t *bytes = packed;
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, bytes + 2 * i, sizeof bits);
        values[i] = kv_bf16_to_f32(bits);
    }
}

static void dequantize_q4_0(const void *packed, float *values, size_t blocks) {
    const kv_block_q4_0 *block = packed;
    for (size_t b = 0; b < blocks; b++, block++, values += KV_BLOCK_VALUES) {
        const float d = kv_f16_to_f32(block->d);
        for (int i = 0; i < 16; i++) {
            values[i] = d * (float)((block->qs[i] & 0x0f) - 8);
            values[i + 16] = d * (float)((block->qs[i] >> 4) - 8);
        }
    }
}

static void dequantize_q4_1(const void *packed, float *values, size_t blocks) {
    const kv_block_q4_1 *block = packed;
    for (size_t b = 0; b < blocks; b++, block++, values += KV_BLOCK_VALUES) {
        const float d = kv_f16_to_f32(block->d);
        const float m = kv_f16_to_f32(block->m);
        for (int i = 0; i < 16; i++) {
            values[i] = d * (float)(block->qs[i] & 0x0f) + m;
            values[i + 16] = d * (float)(block->qs[i] >> 4) + m;
        }
    }
}

// Bit `index` of a little-endian bit string, moved to the place of a fifth code bit.
static inline int fifth_bit(const uint8_t *qh, int index) { return ((qh[index >> 3] >> (index & 7)) & 1) << 4; }

static void dequantize_q5_0(const void *packed, float *values, size_t blocks) {
    const kv_block_q5_0 *block = packed;
    for (size_t b = 0; b < blocks; b++, block++, values += KV_BLOCK_VALUES) {
        const float d = kv_f16_to_f32(block->d);
        for (int i = 0; i < 16; i++) {
            values[i] = d * (float)(((block->qs[i] & 0x0f) | fifth_bit(block->qh, i)) - 16);
            values[i + 16] = d * (float)(((block->qs[i] >> 4) | fifth_bit(block->qh, i + 16)) - 16);
        }
    }
}

static void dequantize_q5_1(const void *packed, float *values, size_t blocks) {
    const kv_block_q5_1 *block = packed;
    for (size_t b = 0; b < blocks; b++, block++, values += KV_BLOCK_VALUES) {
        const float d = kv_f16_to_f32(block->d);
        const float m = kv_f16_to_f32(block->m);
        for (int i = 0; i < 16; i++) {
            values[i] = d * (float)((block->qs[i] & 0x0f) | fifth_bit(block->qh, i)) + m;
            values[i + 16] = d * (float)((block->qs[i] >> 4) | fifth_bit(block->qh, i + 16)) + m;
        }
    }
}

static void dequantize_q8_0(const void *packed, float *values, size_t blocks) {
    const kv_block_q8_0 *block = packed;
    for (size_t b = 0; b < blocks; b++, block++, values += KV_BLOCK_VALUES) {
        const float d = kv_f16_to_f32(block->d);
        for (int i = 0; i < KV_BLOCK_VALUES; i++) values[i] = d * (float)block->qs[i];
    }
}

static void dequantize_q4_k(const void *packed, float *values, size_t blocks) {
    const kv_block_q4_K *block = packed;
    for (size_t b = 0; b < blocks; b++, block++) {
        const float d = kv_f16_to_f32(block->d);
        const float dmin = kv_f16_to_f32(block->dmin);
        for (int s = 0; s < 8; s++, values += 32) {
            uint8_t scale, minimum;
            kv_k_scale_min(block->scales, s, &scale, &minimum);
            const float step = d * (float)scale;
            const float floor = dmin * (float)minimum;
            const uint8_t *qs = block->qs + 32 * (s / 2);
            const int shift = 4 * (s & 1);
            for (int i = 0; i < 32; i++) values[i] = step * (float)((qs[i] >> shift) & 0x0f) - floor;
        }
    }
}

static void dequantize_q5_k(const void *packed, float *values, size_t blocks) {
    const kv_block_q5_K *block = packed;
    for (size_t b = 0; b < blocks; b++, block++) {
        const float d = kv_f16_to_f32(block->d);
        const float dmin = kv_f16_to_f32(block->dmin);
        for (int s = 0; s < 8; s++, values += 32) {
            uint8_t scale, minimum;
            kv_k_scale_min(block->scales, s, &scale, &minimum);
            const float step = d * (float)scale;
            const float floor = dmin * (float)minimum;
            const uint8_t *qs = block->qs + 32 * (s / 2);
            const int shift = 4 * (s & 1);
            for (int i = 0; i < 32; i++) {
                const int code = ((qs[i] >> shift) & 0x0f) | (((block->qh[i] >> s) & 1) << 4);
                values[i] = step * (float)code - floor;
            }
        }
    }
}

static void dequantize_q6_k(const void *packed, float *values, size_t blocks) {
    const kv_block_q6_K *block = packed;
    for (size_t b = 0; b < blocks; b++, block++) {
        const float d = kv_f16_to_f32(block->d);
        // Eight runs of 32 values; four runs share 64 bytes of ql and 32 of qh.
        for (int run = 0; run < 8; run++, values += 32) {
            const int half = run / 4, quarter = run % 4;
            const uint8_t *ql = block->ql + 64 * half + 32 * (quarter & 1);
            const uint8_t *qh = block->qh + 32 * half;
            const int low_shift = 4 * (quarter / 2), high_shift = 2 * quarter;
            for (int i = 0; i < 32; i++) {
                const float step = d * (float)block->scales[2 * run + i / 16];
                const int code = ((ql[i] >> low_shift) & 0x0f) | (((qh[i] >> high_shift) & 3) << 4);
                values[i] = step * (float)(code - 32);
            }
        }
    }
}

typedef struct {
    size_t values, bytes;  // of one block
    void (*dequantize)(const void *packed, float *values, size_t blocks);
} block_format;

static block_format format_of(kv_weight_type type) {
    switch (type) {
        case KV_WEIGHT_F32: return (block_format){1, 4, dequantize_f32};
        case KV_WEIGHT_F16: return (block_format){1, 2, dequantize_f16};
        case KV_WEIGHT_BF16: return (block_format){1, 2, dequantize_bf16};
        case KV_WEIGHT_Q4_0: return (block_format){KV_BLOCK_VALUES, sizeof(kv_block_q4_0), dequantize_q4_0};
        case KV_WEIGHT_Q4_1: return (block_format){KV_BLOCK_VALUES, sizeof(kv_block_q4_1), dequantize_q4_1};
        case KV_WEIGHT_Q5_0: return (block_format){KV_BLOCK_VALUES, sizeof(kv_block_q5_0), dequantize_q5_0};
        case KV_WEIGHT_Q5_1: return (block_format){KV_BLOCK_VALUES, sizeof(kv_block_q5_1), dequantize_q5_1};
        case KV_WEIGHT_Q8_0: return (block_format){KV_BLOCK_VALUES, sizeof(kv_block_q8_0), dequantize_q8_0};
        case KV_WEIGHT_Q4_K: return (block_format){KV_SUPER_BLOCK_VALUES, sizeof(kv_block_q4_K), dequantize_q4_k};
        case KV_WEIGHT_Q5_K: return (block_format){KV_SUPER_BLOCK_VALUES, sizeof(kv_block_q5_K), dequantize_q5_k};
        case KV_WEIGHT_Q6_K: return (block_format){KV_SUPER_BLOCK_VALUES, sizeof(kv_block_q6_K), dequantize_q6_k};
        case KV_WEIGHT_INT8_ROW: break;  // linear layers only
    }
    return (block_format){0, 0, NULL};
}

size_t kv_weight_block_values(kv_weight_type type) { return format_of(type).values; }

size_t kv_weight_block_bytes(kv_weight_type type) { return format_of(type).bytes; }

bool kv_dequantize(kv_weight_type type, const void *packed, float *values, size_t count) {
    const block_format format = format_of(type);
    if (format.values == 0 || count % format.values != 0) return false;
    if (count > 0) format.dequantize(packed, values, count / format.values);
    return true;
}
