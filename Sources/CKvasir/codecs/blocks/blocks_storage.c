// Encoding, decoding and query preparation: the same bytes on every instruction set.

#include <math.h>
#include <string.h>

#include "../kv_vector.h"
#include "blocks_layout.h"

#define KV_F16_MAX 65504.0f
#define KV_F32_MAX 3.40282347e+38f

void kv_block_format_resolve(kv_block_format *format) {
    const size_t channels = format->heads.head_size, width = format->heads.kv_heads * channels;
    const size_t number_bytes = format->wide_scales ? sizeof(float) : sizeof(uint16_t);
    format->blocks = (uint32_t)((width + format->block - 1) / format->block);
    // Within a unit the scale is constant: blocks end at multiples of 32 of the whole vector or at heads, heads at
    // multiples of 16.
    format->unit = channels % 32 == 0 ? 32 : 16;
    format->head_bytes = channels * KV_PAGE_TOKENS * format->bits / 8;
    format->plane_bytes = channels * KV_PAGE_TOKENS * KV_FIELD_BITS(format->bits) / 8;
    format->scales_at = format->heads.kv_heads * format->head_bytes;
    format->offsets_at = format->scales_at + format->blocks * KV_PAGE_TOKENS * number_bytes;
    format->part_bytes =
        format->offsets_at + (format->has_offsets ? format->blocks * KV_PAGE_TOKENS * number_bytes : 0);
    const size_t query = channels * (sizeof(float) + 1) + channels / format->unit * 3 * sizeof(float);
    format->query_bytes = (query + KV_VECTOR_BYTES - 1) / KV_VECTOR_BYTES * KV_VECTOR_BYTES;
    if (format->bits <= 5)
        for (unsigned i = 0; i < 32; i++)
            format->level_bf16[i] = kv_f32_to_bf16(format->levels[i & ((1u << format->bits) - 1)]);
}

float kv_block_round_scale(const kv_block_format *format, float value) {
    const float largest = format->wide_scales ? KV_F32_MAX : KV_F16_MAX;
    if (!(fabsf(value) < largest)) return copysignf(largest, value);
    return format->wide_scales ? value : kv_f16_to_f32(kv_f32_to_f16(value));
}

float kv_block_round_scale_up(const kv_block_format *format, float magnitude) {
    const float rounded = kv_block_round_scale(format, magnitude);
    if (format->wide_scales || rounded >= magnitude || rounded == KV_F16_MAX) return rounded;
    return kv_f16_to_f32((uint16_t)(kv_f32_to_f16(rounded) + 1));
}

static void store_number(const kv_block_format *format, const uint8_t *numbers, size_t slot, float value) {
    if (format->wide_scales)
        ((float *)numbers)[slot] = value;
    else
        ((uint16_t *)numbers)[slot] = kv_f32_to_f16(value);
}

// Writes the scales and offsets of one token and returns its codes, one byte each.
static void encode_vector(const kv_block_format *format, const float *vector, size_t slot, void *part,
                          uint8_t *codes) {
    const size_t width = (size_t)format->heads.kv_heads * format->heads.head_size;
    for (size_t block = 0, start = 0; start < width; block++, start += format->block) {
        const size_t left = width - start, count = left < format->block ? left : format->block;
        float scale = 0, offset = 0;
        format->quantize(format, vector + start, count, codes + start, &scale, &offset);
        store_number(format, kv_block_scales(format, part, block), slot, scale);
        if (format->has_offsets) store_number(format, kv_block_offsets(format, part, block), slot, offset);
    }
}

// Stores the codes of one token. In the key part 4 channels of a token are 4 bytes side by side, and the panels that
// share a vector are consecutive channels of the same head: whole words are written. Only the bits of the plane belong to
// several tokens.
static inline __attribute__((always_inline)) void store_keys(const kv_block_format *format, unsigned bits, size_t slot,
                                                             void *part, const uint8_t *codes) {
    const unsigned width = KV_FIELD_BITS(bits);
    const size_t per_vector = width > 0 ? 8 / width : 1, panels = format->heads.head_size / KV_PANEL_DEPTH;
    const kv_code_place place = kv_key_place(format, slot, 0);
    for (size_t head = 0; head < format->heads.kv_heads; head++) {
        const kv_panels at = kv_panels_at(format, part, head, 0);
        for (size_t panel = 0; panel < panels; panel += per_vector) {
            uint32_t word = 0;
            for (size_t i = 0; i < per_vector; i++, codes += KV_PANEL_DEPTH) {
                uint32_t four;
                memcpy(&four, codes, sizeof four);
                if (width > 0) word |= (four & 0x01010101u * ((1u << width) - 1)) << (i * width);
                if (KV_HAS_PLANE(bits)) {
                    // The multiplication gathers the lowest bits of four bytes in the top four.
                    const uint64_t top = (four >> width & 0x01010101u) * 0x10204080u >> 28;
                    uint64_t *plane = (uint64_t *)at.plane + place.panel + panel + i;
                    *plane = (*plane & ~(15ull << place.bit)) | top << place.bit;
                }
            }
            if (width > 0)
                memcpy((uint8_t *)at.fields + (place.panel + panel) / per_vector * KV_VECTOR_BYTES + place.bit, &word,
                       sizeof word);
        }
    }
}

// In the value part 16 channels of a token are one byte of every 4 in a vector, and share it with other tokens.
static inline __attribute__((always_inline)) void store_values(const kv_block_format *format, unsigned bits,
                                                               size_t slot, void *part, const uint8_t *codes) {
    const unsigned width = KV_FIELD_BITS(bits);
    const size_t per_vector = width > 0 ? 8 / width : 1;
    for (size_t head = 0; head < format->heads.kv_heads; head++) {
        const kv_panels at = kv_panels_at(format, part, head, 0);
        for (size_t channel = 0; channel < format->heads.head_size; channel += KV_LANE_CHANNELS) {
            const kv_code_place place = kv_value_place(slot, channel);
            if (width > 0) {
                uint32_t *lanes = (uint32_t *)(at.fields + place.panel / per_vector * KV_VECTOR_BYTES);
                const unsigned shift = 8 * place.bit + (unsigned)(place.panel % per_vector) * width;
                const uint32_t mask = (1u << width) - 1;
                for (size_t lane = 0; lane < KV_LANE_CHANNELS; lane++)
                    lanes[lane] = (lanes[lane] & ~(mask << shift)) | (codes[lane] & mask) << shift;
            }
            if (KV_HAS_PLANE(bits)) {
                uint64_t *plane = (uint64_t *)at.plane + place.panel, word = 0;
                for (size_t lane = 0; lane < KV_LANE_CHANNELS; lane++)
                    word |= (uint64_t)(codes[lane] >> width & 1) << lane * KV_PANEL_DEPTH;
                *plane = (*plane & ~(0x1111111111111111ull << place.bit)) | word << place.bit;
            }
            codes += KV_LANE_CHANNELS;
        }
    }
}

// The width as a constant, so that shifts and masks are.
#define FOR_EACH_WIDTH(bits, action) \
    switch (bits) {                  \
    case 1: action(1); break;        \
    case 2: action(2); break;        \
    case 3: action(3); break;        \
    case 4: action(4); break;        \
    case 5: action(5); break;        \
    default: action(8); break;       \
    }

void kv_block_encode_keys(const kv_block_format *format, const float *vector, size_t slot, void *part) {
    uint8_t codes[KV_MAX_VECTOR];
    encode_vector(format, vector, slot, part, codes);
#define STORE(bits) store_keys(format, bits, slot, part, codes)
    FOR_EACH_WIDTH(format->bits, STORE)
#undef STORE
}

void kv_block_encode_values(const kv_block_format *format, const float *vector, size_t slot, void *part) {
    uint8_t codes[KV_MAX_VECTOR];
    encode_vector(format, vector, slot, part, codes);
#define STORE(bits) store_values(format, bits, slot, part, codes)
    FOR_EACH_WIDTH(format->bits, STORE)
#undef STORE
}

void kv_block_key_codes(const kv_block_format *format, const void *part, size_t slot, uint8_t *codes) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < format->heads.head_size; channel++)
            *codes++ = (uint8_t)kv_block_code(format, part, head, kv_key_place(format, slot, channel));
}

void kv_block_value_codes(const kv_block_format *format, const void *part, size_t slot, uint8_t *codes) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < format->heads.head_size; channel++)
            *codes++ = (uint8_t)kv_block_code(format, part, head, kv_value_place(slot, channel));
}

static uint32_t number_bits(const kv_block_format *format, const uint8_t *numbers, size_t slot) {
    return format->wide_scales ? ((const uint32_t *)numbers)[slot] : ((const uint16_t *)numbers)[slot];
}

uint32_t kv_block_scale_bits(const kv_block_format *format, const void *part, size_t block, size_t slot) {
    return number_bits(format, kv_block_scales(format, part, block), slot);
}

uint32_t kv_block_offset_bits(const kv_block_format *format, const void *part, size_t block, size_t slot) {
    return number_bits(format, kv_block_offsets(format, part, block), slot);
}

void kv_block_decode_keys(const kv_block_format *format, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < format->heads.head_size; channel++) {
            const unsigned code = kv_block_code(format, part, head, kv_key_place(format, slot, channel));
            *vector++ = kv_block_value(format, part, kv_block_of(format, head, channel), slot, code);
        }
}

void kv_block_decode_values(const kv_block_format *format, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < format->heads.head_size; channel++) {
            const unsigned code = kv_block_code(format, part, head, kv_value_place(slot, channel));
            *vector++ = kv_block_value(format, part, kv_block_of(format, head, channel), slot, code);
        }
}

void kv_block_rounded_query(const kv_block_format *format, const void *prepared, float *query) {
    const kv_block_query source = kv_block_query_at(format, prepared, 0);
    for (size_t channel = 0; channel < format->heads.head_size; channel++)
        query[channel] = source.codes[channel] * source.scales[channel / format->unit];
}

// In vectors of 16 whatever the machine, so that sums are added in one order everywhere.
void kv_block_prepare_query(const kv_block_format *format, const float *query, float factor, void *prepared) {
#pragma clang fp contract(off)
    const size_t channels = format->heads.head_size, vectors = format->unit / 16;
    const kv_block_query target = kv_block_query_at(format, prepared, 0);
    for (size_t i = 0; i < channels / format->unit; i++) {
        kv_f32x16 values[2], largest = {0}, total = {0};
        for (size_t v = 0; v < vectors; v++) {
            const size_t channel = i * format->unit + 16 * v;
            values[v] = *(const kv_f32x16_unaligned *)(query + channel) * factor;
            *(kv_f32x16_unaligned *)(target.values + channel) = values[v];
            largest = __builtin_elementwise_max(largest, __builtin_elementwise_abs(values[v]));
            total += values[v];
        }
        const float absmax = __builtin_reduce_max(largest), sum = kv_sum_lanes(total);
        // A query that is not finite has no 8-bit form; the scale carries the NaN into its scores. (A NaN escapes the
        // maximum, not the sum.)
        const bool finite = absmax <= KV_F32_MAX && sum == sum;
        const float inverse = finite && absmax > 1e-30f ? 127.0f / absmax : 0.0f;
        kv_i32x16 code_sum = {0};
        for (size_t v = 0; v < vectors; v++) {
            const size_t channel = i * format->unit + 16 * v;
            // 1.5 * 2^23 leaves no fraction bits: the addition rounds to the nearest integer.
            const kv_f32x16 shifted = values[v] * inverse + 0x1.8p23f;
            const kv_i32x16 codes = finite ? (kv_i32x16)shifted - 0x4b400000 : (kv_i32x16){0};
            *(kv_i8x16_unaligned *)(target.codes + channel) = __builtin_convertvector(codes, kv_i8x16);
            code_sum += codes;
        }
        ((float *)target.scales)[i] = finite ? absmax / 127.0f : NAN;
        const int32_t codes_total = __builtin_reduce_add(code_sum);
        ((int32_t *)target.code_sums)[i] = codes_total;
        // The sum of the query as rounded: levels and offset cancel in part, and so do the errors of the two products.
        ((float *)target.sums)[i] = (float)codes_total * ((float *)target.scales)[i];
    }
}
