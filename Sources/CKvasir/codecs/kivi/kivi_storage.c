// Encoding and decoding, the plain kernel, and the choice of kernels.

#include <string.h>

#include "../kv_vector.h"
#include "kivi_layout.h"

#pragma clang fp contract(off)

#define KV_F16_MAX 65504.0f

void kv_kivi_format_resolve(kv_kivi_format *format) {
    const size_t channels = format->heads.head_size;
    format->groups = KV_PAGE_TOKENS / format->group;
    format->tile_bytes = channels * KV_TILE_TOKENS * format->bits / 8;
    format->numbers_at = format->heads.kv_heads * KV_PAGE_TILES * format->tile_bytes;
    format->part_bytes = kv_kivi_scales_at(format, format->heads.kv_heads, 0);
}

// NaN as zero, and everything else within the range of fp16.
static inline __attribute__((always_inline)) kv_f32x16 load_finite(const float *values) {
    const kv_f32x16 raw = *(const kv_f32x16_unaligned *)values, most = KV_F16_MAX - (kv_f32x16){0};
    const kv_f32x16 known = (kv_f32x16)((raw == raw) & (kv_i32x16)raw);
    return __builtin_elementwise_max(__builtin_elementwise_min(known, most), -most);
}

// Stores 16 numbers as fp16 and returns them as they are then. Adding zero makes a zero of either sign a positive one.
static inline __attribute__((always_inline)) kv_f32x16 store_numbers(kv_f32x16 numbers, uint16_t *target) {
    kv_f32x16 stored;
    for (size_t i = 0; i < 16; i++) {
        target[i] = kv_f32_to_f16(numbers[i] + 0.0f);
        stored[i] = kv_f16_to_f32(target[i]);
    }
    return stored;
}

// Stores 16 channels of all tokens of a group, which are `width` values apart. Of each token they are 4 panels of 4
// bytes, packed into one or two words.
static void encode_channels(const kv_kivi_format *format, const float *vectors, size_t width, size_t head,
                            size_t channel, size_t slot, uint8_t *part) {
    kv_f32x16 least = load_finite(vectors), most = least;
    for (size_t token = 1; token < format->group; token++) {
        const kv_f32x16 values = load_finite(vectors + token * width);
        least = __builtin_elementwise_min(least, values);
        most = __builtin_elementwise_max(most, values);
    }
    uint16_t *scales = (uint16_t *)(part + kv_kivi_scales_at(format, head, slot / format->group)) + channel;
    const float last = (float)((1u << format->bits) - 1);
    const kv_f32x16 scale = store_numbers((most - least) / last, scales);
    const kv_f32x16 zero = store_numbers(least, scales + format->heads.head_size);
    const kv_i32x16 varies = scale > 0.0f;

    const unsigned bits = format->bits, per_vector = 8 / bits, words = KV_PANEL_DEPTH / per_vector;
    for (size_t token = 0; token < format->group; token++) {
        const kv_f32x16 level = (load_finite(vectors + token * width) - zero) / scale;
        const kv_f32x16 known = (kv_f32x16)(varies & (kv_i32x16)level);
        const kv_f32x16 within = __builtin_elementwise_max(
            __builtin_elementwise_min(known, last - (kv_f32x16){0}), (kv_f32x16){0});
        // 1.5 * 2^23 leaves no fraction bits: the addition rounds to the nearest integer.
        const kv_i8x16 codes =
            __builtin_convertvector((kv_i32x16)(within + 0x1.8p23f) - 0x4b400000, kv_i8x16);
        uint32_t panels[4];
        memcpy(panels, &codes, sizeof panels);
        const size_t tile = (slot + token) / KV_TILE_TOKENS, lane = (slot + token) % KV_TILE_TOKENS;
        uint8_t *vector = part + kv_kivi_tile_at(format, head, tile) +
                          channel / KV_PANEL_DEPTH / per_vector * KV_VECTOR_BYTES + lane * KV_PANEL_DEPTH;
        for (unsigned i = 0; i < words; i++, vector += KV_VECTOR_BYTES) {
            uint32_t word = 0;
            for (unsigned j = 0; j < per_vector; j++) word |= panels[i * per_vector + j] << j * bits;
            memcpy(vector, &word, sizeof word);
        }
    }
}

void kv_kivi_encode(const kv_kivi_format *format, const float *vectors, size_t slot, void *part) {
    const size_t channels = format->heads.head_size, width = format->heads.kv_heads * channels;
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < channels; channel += KV_LANE_CHANNELS)
            encode_channels(format, vectors + head * channels + channel, width, head, channel, slot, part);
}

void kv_kivi_decode(const kv_kivi_format *format, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < format->heads.head_size; channel++)
            *vector++ = kv_kivi_key(format, part, head, slot, channel);
}

// Decodes one key, multiplies, adds: every other row is tested against it.
static void score(const kv_kivi_format *format, const kv_run *keys, uint32_t head, const float *queries, size_t rows,
                  float *scores, size_t stride) {
    const size_t channels = format->heads.head_size;
    for (size_t page = 0; page < kv_run_pages(keys); page++) {
        const uint8_t *part = kv_run_part(keys, page);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            float *target = scores + page * KV_PAGE_TOKENS + slot;
            for (size_t row = 0; row < rows; row++) target[row * stride] = 0;
            for (size_t channel = 0; channel < channels; channel++) {
                const float key = kv_kivi_key(format, part, head, slot, channel);
                for (size_t row = 0; row < rows; row++)
                    target[row * stride] += queries[row * channels + channel] * key;
            }
        }
    }
}

kv_kivi_score kv_kivi_score_for(kv_isa isa, uint32_t bits) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return kv_kivi_score_avx512[bits];
    case KV_ISA_AVX2: return kv_kivi_score_avx2[bits];
#elif defined(__aarch64__)
    case KV_ISA_NEON: return kv_kivi_score_neon[bits];
#endif
    default: return score;
    }
}
