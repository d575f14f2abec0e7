// Encoding, decoding and query preparation of the 4-bit codebook codec: the same bytes on every instruction set.

#include <math.h>
#include <string.h>

#include "codebook4_internal.h"

#define KV_F16_MAX 65504.0f

size_t kv_codebook4_part_bytes(const kv_codebook4 *codebook) {
    return kv_codebook4_scales_offset(codebook) + (size_t)codebook->blocks * KV_PAGE_TOKENS * sizeof(uint16_t);
}

// The smallest fp16 that is not below `absmax`, so that no value divided by it leaves [-1, 1].
static uint16_t scale_not_below(float absmax) {
    uint16_t bits = kv_f32_to_f16(absmax);
    if (bits >= 0x7c00u) return 0x7bffu;
    if (kv_f16_to_f32(bits) < absmax) bits++;
    return bits;
}

static float block_absmax(const float *values, size_t count) {
    float absmax = 0;
    for (size_t i = 0; i < count; i++) {
        const float magnitude = fabsf(values[i]);
        // False for NaN, which therefore never reaches the scale.
        if (magnitude > absmax) absmax = magnitude;
    }
    return absmax < KV_F16_MAX ? absmax : KV_F16_MAX;
}

static void encode_block(const kv_codebook4 *codebook, const float *values, size_t count, float scale,
                         uint8_t *indices) {
    for (size_t i = 0; i < count; i++) {
        const float value = values[i] / scale;
        uint8_t index = 0;
        for (size_t level = 0; level < 15; level++) index += value > codebook->thresholds[level];
        indices[i] = value == value ? index : (uint8_t)codebook->zero_index;
    }
}

// Writes the scales of one token and returns its indices, one byte each.
static void encode_vector(const kv_codebook4 *codebook, const float *vector, size_t slot, void *part,
                          uint8_t *indices) {
    const size_t width = (size_t)codebook->heads.kv_heads * codebook->heads.head_size;
    for (size_t block = 0, start = 0; start < width; block++, start += codebook->block) {
        const size_t left = width - start, count = left < codebook->block ? left : codebook->block;
        const uint16_t scale = scale_not_below(block_absmax(vector + start, count));
        uint16_t *scales = (uint16_t *)kv_codebook4_scales(codebook, part, block);
        scales[slot] = scale;
        if (scale == 0)
            memset(indices + start, (int)codebook->zero_index, count);
        else
            encode_block(codebook, vector + start, count, kv_f16_to_f32(scale), indices + start);
    }
}

static uint8_t *key_byte(const kv_codebook4 *codebook, void *part, size_t head, size_t slot, size_t channel) {
    const size_t tile = slot / KV_TILE_TOKENS, lane = slot % KV_TILE_TOKENS;
    const size_t vectors = codebook->heads.head_size / 8;
    return (uint8_t *)part + head * kv_codebook4_head_bytes(codebook) +
           (tile * vectors + channel / 8) * KV_VECTOR_BYTES + lane * 4 + channel % 4;
}

static uint8_t *value_byte(const kv_codebook4 *codebook, void *part, size_t head, size_t slot, size_t channel) {
    const size_t group = channel / KV_LANE_CHANNELS, lane = channel % KV_LANE_CHANNELS;
    return (uint8_t *)part + head * kv_codebook4_head_bytes(codebook) +
           (group * (KV_PAGE_TOKENS / 8) + slot / 8) * KV_VECTOR_BYTES + lane * 4 + slot % 4;
}

void kv_codebook4_encode_keys(const kv_codebook4 *codebook, const float *vector, size_t slot, void *part) {
    uint8_t indices[KV_MAX_VECTOR];
    encode_vector(codebook, vector, slot, part, indices);
    const size_t channels = codebook->heads.head_size;
    for (size_t head = 0; head < codebook->heads.kv_heads; head++)
        for (size_t channel = 0; channel < channels; channel += 8) {
            const uint8_t *index = indices + head * channels + channel;
            uint8_t *target = key_byte(codebook, part, head, slot, channel);
            for (size_t i = 0; i < 4; i++) target[i] = (uint8_t)(index[i] | index[i + 4] << 4);
        }
}

void kv_codebook4_encode_values(const kv_codebook4 *codebook, const float *vector, size_t slot, void *part) {
    uint8_t indices[KV_MAX_VECTOR];
    encode_vector(codebook, vector, slot, part, indices);
    const size_t channels = codebook->heads.head_size;
    const unsigned shift = slot % 8 < 4 ? 0 : 4;
    for (size_t head = 0; head < codebook->heads.kv_heads; head++)
        for (size_t channel = 0; channel < channels; channel++) {
            // The other nibble belongs to another token.
            uint8_t *byte = value_byte(codebook, part, head, slot, channel);
            *byte = (uint8_t)((*byte & ~(15u << shift)) | (unsigned)indices[head * channels + channel] << shift);
        }
}

static float scaled_level(const kv_codebook4 *codebook, const void *part, size_t slot, size_t head, size_t channel,
                          unsigned index) {
    const size_t block = kv_codebook4_block_of(codebook, head, channel);
    return codebook->levels[index] * kv_f16_to_f32(kv_codebook4_scales(codebook, part, block)[slot]);
}

void kv_codebook4_decode_keys(const kv_codebook4 *codebook, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < codebook->heads.kv_heads; head++)
        for (size_t channel = 0; channel < codebook->heads.head_size; channel++) {
            const uint8_t byte = *key_byte(codebook, (void *)part, head, slot, channel);
            const unsigned index = channel % 8 < 4 ? byte & 15u : byte >> 4;
            *vector++ = scaled_level(codebook, part, slot, head, channel, index);
        }
}

void kv_codebook4_decode_values(const kv_codebook4 *codebook, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < codebook->heads.kv_heads; head++)
        for (size_t channel = 0; channel < codebook->heads.head_size; channel++) {
            const uint8_t byte = *value_byte(codebook, (void *)part, head, slot, channel);
            const unsigned index = slot % 8 < 4 ? byte & 15u : byte >> 4;
            *vector++ = scaled_level(codebook, part, slot, head, channel, index);
        }
}

size_t kv_codebook4_query_bytes(const kv_codebook4 *codebook) {
    const size_t channels = codebook->heads.head_size, units = channels / kv_codebook4_unit(codebook);
    const size_t bytes = channels * (sizeof(float) + 1) + units * (sizeof(float) + sizeof(int32_t));
    return (bytes + KV_VECTOR_BYTES - 1) / KV_VECTOR_BYTES * KV_VECTOR_BYTES;
}

void kv_codebook4_prepare_query(const kv_codebook4 *codebook, const float *query, float factor, void *prepared) {
    const size_t channels = codebook->heads.head_size, unit = kv_codebook4_unit(codebook);
    const kv_codebook4_query target = kv_codebook4_query_at(codebook, prepared, 0);
    float *values = (float *)target.values, *scales = (float *)target.scales;
    int8_t *codes = (int8_t *)target.codes;
    int32_t *corrections = (int32_t *)target.corrections;
    for (size_t start = 0, i = 0; start < channels; start += unit, i++) {
        float absmax = 0;
        for (size_t channel = start; channel < start + unit; channel++) {
            values[channel] = query[channel] * factor;
            const float magnitude = fabsf(values[channel]);
            if (magnitude > absmax) absmax = magnitude;
        }
        // A query that is not finite has no 8-bit form; the scale carries the NaN into its scores.
        const int finite = absmax <= 3.0e38f;
        const float inverse = finite && absmax > 1e-30f ? 127.0f / absmax : 0.0f;
        int32_t sum = 0;
        for (size_t channel = start; channel < start + unit; channel++) {
            const float scaled = values[channel] * inverse;
            const int32_t code = scaled == scaled ? (int32_t)(scaled + (scaled < 0 ? -0.5f : 0.5f)) : 0;
            codes[channel] = (int8_t)code;
            sum += code;
        }
        scales[i] = finite ? absmax / 127.0f : NAN;
        corrections[i] = -128 * sum;
    }
}
