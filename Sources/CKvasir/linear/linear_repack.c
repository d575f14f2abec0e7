// From GGUF's block formats and from floats to packed tiles.

#include <string.h>

#include "linear_layout.h"

// The codes and scales of 32 consecutive weights of one row, in column order.
typedef struct {
    uint8_t codes[KV_GROUP];
    uint16_t scale, minimum;              // f16; of the super-block if the type has one
    uint8_t small_scale, small_minimum;   // of a group in a super-block
} kv_row_group;

static uint16_t read_u16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

// Splits 16 bytes into 32 nibbles: the low halves are the first 16 columns.
static void read_nibbles(const uint8_t *bytes, uint8_t *codes) {
    for (int i = 0; i < 16; i++) {
        codes[i] = bytes[i] & 0xf;
        codes[i + 16] = bytes[i] >> 4;
    }
}

static void add_fifth_bits(const uint8_t *bytes, uint8_t *codes) {
    uint32_t bits;
    memcpy(&bits, bytes, sizeof bits);
    for (int i = 0; i < 32; i++) codes[i] |= (uint8_t)(((bits >> i) & 1u) << 4);
}

// The 6-bit scale and minimum of group j, from the 12 bytes Q4_K and Q5_K share.
static void read_k_scale(const uint8_t *s, size_t j, kv_row_group *out) {
    if (j < 4) {
        out->small_scale = s[j] & 63;
        out->small_minimum = s[j + 4] & 63;
    } else {
        out->small_scale = (uint8_t)((s[j + 4] & 0xf) | ((s[j - 4] >> 6) << 4));
        out->small_minimum = (uint8_t)((s[j + 4] >> 4) | ((s[j] >> 6) << 4));
    }
}

static void read_q6_k(const uint8_t *block, size_t j, kv_row_group *out) {
    // Four groups share 64 bytes of low nibbles and 32 bytes of high bit pairs.
    const size_t quarter = j % 4;
    const uint8_t *low = block + j / 4 * 64 + quarter % 2 * 32;
    const uint8_t *high = block + 128 + j / 4 * 32;
    for (int i = 0; i < 32; i++) {
        const unsigned nibble = quarter < 2 ? low[i] & 0xfu : low[i] >> 4;
        out->codes[i] = (uint8_t)(nibble | ((high[i] >> (2 * quarter)) & 3u) << 4);
    }
    out->small_scale = block[192 + 2 * j];        // of the first 16 columns
    out->small_minimum = block[192 + 2 * j + 1];  // Q6_K has no minimum: the scale of the second 16
    out->scale = read_u16(block + 208);
}

static void read_row_group(kv_weight_type type, const uint8_t *row, size_t group, kv_row_group *out) {
    const size_t index = kv_layout_is_super(type) ? group / KV_SUPER_GROUPS : group;
    const uint8_t *block = row + index * kv_weight_block_bytes(type);
    const size_t j = group % KV_SUPER_GROUPS;
    switch (type) {
    case KV_WEIGHT_Q4_0:
        out->scale = read_u16(block);
        read_nibbles(block + 2, out->codes);
        break;
    case KV_WEIGHT_Q4_1:
        out->scale = read_u16(block);
        out->minimum = read_u16(block + 2);
        read_nibbles(block + 4, out->codes);
        break;
    case KV_WEIGHT_Q5_0:
        out->scale = read_u16(block);
        read_nibbles(block + 6, out->codes);
        add_fifth_bits(block + 2, out->codes);
        break;
    case KV_WEIGHT_Q5_1:
        out->scale = read_u16(block);
        out->minimum = read_u16(block + 2);
        read_nibbles(block + 8, out->codes);
        add_fifth_bits(block + 4, out->codes);
        break;
    case KV_WEIGHT_Q8_0:
        out->scale = read_u16(block);
        for (int i = 0; i < KV_GROUP; i++) out->codes[i] = block[2 + i] ^ 0x80;
        break;
    case KV_WEIGHT_Q4_K:
    case KV_WEIGHT_Q5_K: {
        out->scale = read_u16(block);
        out->minimum = read_u16(block + 2);
        read_k_scale(block + 4, j, out);
        const uint8_t *high = block + 16;
        const uint8_t *low = block + (type == KV_WEIGHT_Q5_K ? 48 : 16) + j / 2 * 32;
        for (int i = 0; i < KV_GROUP; i++) {
            out->codes[i] = j % 2 == 0 ? low[i] & 0xf : low[i] >> 4;
            if (type == KV_WEIGHT_Q5_K) out->codes[i] |= (uint8_t)(((high[i] >> j) & 1u) << 4);
        }
        break;
    }
    case KV_WEIGHT_Q6_K:
        read_q6_k(block, j, out);
        break;
    default:
        break;
    }
}

// Writes one row's part of a group. Every byte of the row is stored by the two quads that share it, in order.
static void write_row_group(kv_weight_type type, const kv_row_group *in, size_t row, size_t group, uint8_t *tile) {
    uint8_t *packed = tile + kv_layout_group_offset(type, group);
    const int bits = kv_layout_bits(type);
    if (bits == 8) {
        for (int quad = 0; quad < KV_QUADS; quad++) {
            memcpy(packed + quad * KV_QUAD_BYTES + 4 * row, in->codes + 4 * quad, 4);
        }
    } else {
        uint8_t planes[2][4] = {{0}};
        for (int quad = 0; quad < KV_QUADS; quad += 2) {
            for (int k = 0; k < 4; k++) {
                const unsigned even = in->codes[4 * quad + k];
                const unsigned odd = in->codes[4 * quad + 4 + k];
                packed[quad / 2 * KV_QUAD_BYTES + 4 * (int)row + k] = (uint8_t)((even & 0xf) | ((odd & 0xf) << 4));
                if (bits == 5) planes[0][k] |= (uint8_t)((even >> 4) << quad | (odd >> 4) << (quad + 1));
                if (bits == 6) {
                    const int shift = 2 * (quad % 4);
                    planes[quad / 4][k] |= (uint8_t)((even >> 4) << shift | (odd >> 4) << (shift + 2));
                }
            }
        }
        for (size_t i = 0; i < kv_layout_plane_bytes(type) / KV_QUAD_BYTES; i++) {
            memcpy(packed + KV_NIBBLE_BYTES + i * KV_QUAD_BYTES + 4 * row, planes[i], 4);
        }
    }
    uint8_t *scales = packed + kv_layout_code_bytes(type);
    uint8_t *wide = scales;
    if (kv_layout_is_super(type)) {
        scales[row] = in->small_scale;
        scales[KV_TILE + row] = in->small_minimum;
        wide = tile + kv_layout_super_offset(type, group);
    }
    memcpy(wide + 2 * row, &in->scale, 2);
    if (kv_layout_has_minimum(type)) memcpy(wide + 2 * (KV_TILE + row), &in->minimum, 2);
}

void kv_linear_repack(kv_weight_type type, const void *source, size_t row_stride, size_t rows, size_t columns,
                      size_t tile_begin, size_t tile_end, void *packed) {
    const size_t tile_bytes = kv_linear_tile_bytes(type, columns);
    if (tile_bytes == 0 || kv_layout_has_row_scales(type)) return;
    const size_t width = kv_layout_float_bytes(type);
    // A padding row has scale zero (and minimum zero), whatever its codes mean.
    static const kv_row_group zero;
    for (size_t index = tile_begin; index < tile_end; index++) {
        uint8_t *tile = (uint8_t *)packed + index * tile_bytes;
        for (size_t r = 0; r < KV_TILE; r++) {
            const size_t row = index * KV_TILE + r;
            const uint8_t *values = (const uint8_t *)source + row * row_stride;
            if (width != 0) {
                for (size_t column = 0; column < columns; column++) {
                    uint8_t *target = tile + (column * KV_TILE + r) * width;
                    if (row < rows) {
                        memcpy(target, values + column * width, width);
                    } else {
                        memset(target, 0, width);
                    }
                }
                continue;
            }
            for (size_t group = 0; group < columns / KV_GROUP; group++) {
                kv_row_group decoded = zero;
                if (row < rows) read_row_group(type, values, group, &decoded);
                write_row_group(type, &decoded, r, group, tile);
            }
        }
    }
}

// One row of floats as codes of INT8_ROW; returns its scale.
static float round_row(const float *values, size_t columns, float limit, size_t row, uint8_t *tile) {
#pragma clang fp contract(off)
    float magnitude = limit;
    for (size_t i = 0; limit == 0 && i < columns; i++) {
        const float own = __builtin_fabsf(values[i]);
        magnitude = own > magnitude ? own : magnitude;
    }
    // Below 2^-119, 127 / magnitude may overflow: such a row is zero, as in the rounding of activations.
    if (magnitude < 0x1p-119f) return 0;
    const float inverse = 127.0f / magnitude;
    for (size_t i = 0; i < columns; i++) {
        // 1.5 * 2^23 leaves no fraction bits: the addition rounds to the nearest integer, ties to even.
        const float shifted = values[i] * inverse + 0x1.8p23f;
        int32_t pattern;
        memcpy(&pattern, &shifted, sizeof pattern);
        uint8_t *group = tile + kv_layout_group_offset(KV_WEIGHT_INT8_ROW, i / KV_GROUP);
        group[i % KV_GROUP / 4 * KV_QUAD_BYTES + 4 * row + i % 4] = (uint8_t)(pattern - 0x4b400000 + 128);
    }
    return magnitude / 127.0f;
}

void kv_linear_round_rows(const float *source, size_t row_stride, size_t rows, size_t columns, float limit,
                          size_t tile_begin, size_t tile_end, void *packed) {
    const size_t tile_bytes = kv_linear_tile_bytes(KV_WEIGHT_INT8_ROW, columns);
    for (size_t index = tile_begin; index < tile_end; index++) {
        uint8_t *tile = (uint8_t *)packed + index * tile_bytes;
        memset(tile, 0, kv_layout_head_bytes(KV_WEIGHT_INT8_ROW));
        memset(tile + kv_layout_head_bytes(KV_WEIGHT_INT8_ROW), 128,
               tile_bytes - kv_layout_head_bytes(KV_WEIGHT_INT8_ROW));
        for (size_t r = 0; r < KV_TILE && index * KV_TILE + r < rows; r++) {
            const float scale = round_row(source + (index * KV_TILE + r) * row_stride, columns, limit, r, tile);
            memcpy(tile + 4 * r, &scale, sizeof scale);
        }
    }
}
