#include "linear_layout.h"

#include <string.h>

#include "kv_half.h"

bool kv_linear_is_quantized(kv_weight_type type) { return kv_layout_bits(type) != 0; }

size_t kv_linear_tile_bytes(kv_weight_type type, size_t columns) {
    if (kv_layout_float_bytes(type) == 0 && !kv_linear_is_quantized(type)) return 0;
    if (columns > SIZE_MAX / (2 * KV_TILE * sizeof(float))) return 0;
    if (!kv_layout_has_row_scales(type) && columns % kv_weight_block_values(type) != 0) return 0;
    return kv_layout_tile_bytes(type, columns);
}

size_t kv_linear_packed_bytes(kv_weight_type type, size_t rows, size_t columns) {
    const size_t tile = kv_linear_tile_bytes(type, columns);
    const size_t tiles = kv_linear_tiles(rows);
    return tile != 0 && tiles > SIZE_MAX / tile ? 0 : tile * tiles;
}

static uint16_t read_u16(const uint8_t *bytes) {
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static float read_f32(const uint8_t *bytes) {
    float value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

void kv_layout_read_group(kv_weight_type type, const uint8_t *tile, size_t group, kv_plain_group *plain) {
    const uint8_t *packed = tile + kv_layout_group_offset(type, group);
    const int bits = kv_layout_bits(type);
    const uint8_t *plane = packed + KV_NIBBLE_BYTES;
    for (int quad = 0; quad < KV_QUADS; quad++) {
        uint8_t *codes = plain->codes[quad];
        if (bits == 8) {
            memcpy(codes, packed + quad * KV_QUAD_BYTES, KV_QUAD_BYTES);
            continue;
        }
        const uint8_t *nibbles = packed + quad / 2 * KV_QUAD_BYTES;
        const int shift = 4 * (quad % 2);
        for (int i = 0; i < KV_QUAD_BYTES; i++) codes[i] = (nibbles[i] >> shift) & 0xf;
        if (bits == 5) {
            for (int i = 0; i < KV_QUAD_BYTES; i++) codes[i] |= (uint8_t)(((plane[i] >> quad) & 1) << 4);
        } else if (bits == 6) {
            const uint8_t *pairs = plane + quad / 4 * KV_QUAD_BYTES;
            for (int i = 0; i < KV_QUAD_BYTES; i++) codes[i] |= (uint8_t)(((pairs[i] >> 2 * (quad % 4)) & 3) << 4);
        }
    }
    const uint8_t *scales = packed + kv_layout_code_bytes(type);
    const uint8_t *super = tile + kv_layout_super_offset(type, group);
    for (int row = 0; row < KV_TILE; row++) {
        plain->minimum[row] = 0;
        if (kv_layout_has_row_scales(type)) {
            plain->scales[0][row] = plain->scales[1][row] = read_f32(super + 4 * row);
        } else if (kv_layout_is_super(type)) {
            const float d = kv_f16_to_f32(read_u16(super + 2 * row));
            if (kv_layout_has_minimum(type)) {
                const float dmin = kv_f16_to_f32(read_u16(super + 2 * (KV_TILE + row)));
                plain->scales[0][row] = plain->scales[1][row] = d * (float)scales[row];
                plain->minimum[row] = -(dmin * (float)scales[KV_TILE + row]);
            } else {
                plain->scales[0][row] = d * (float)(int8_t)scales[row];
                plain->scales[1][row] = d * (float)(int8_t)scales[KV_TILE + row];
            }
        } else {
            plain->scales[0][row] = plain->scales[1][row] = kv_f16_to_f32(read_u16(scales + 2 * row));
            if (kv_layout_has_minimum(type)) {
                plain->minimum[row] = kv_f16_to_f32(read_u16(scales + 2 * (KV_TILE + row)));
            }
        }
    }
}

void kv_layout_widen_group(kv_weight_type type, const uint8_t *tile, size_t group, size_t count,
                           float values[KV_GROUP][KV_TILE]) {
    // A fused multiply-add would round differently from kv_dequantize.
#pragma clang fp contract(off)
    const size_t width = kv_layout_float_bytes(type);
    if (width != 0) {
        const uint8_t *source = tile + group * KV_GROUP * KV_TILE * width;
        for (size_t i = 0; i < count * KV_TILE; i++) {
            float value;
            if (type == KV_WEIGHT_F32) {
                memcpy(&value, source + 4 * i, sizeof value);
            } else {
                const uint16_t bits = read_u16(source + 2 * i);
                value = type == KV_WEIGHT_F16 ? kv_f16_to_f32(bits) : kv_bf16_to_f32(bits);
            }
            values[i / KV_TILE][i % KV_TILE] = value;
        }
        return;
    }
    kv_plain_group plain;
    kv_layout_read_group(type, tile, group, &plain);
    const int offset = kv_layout_has_minimum(type) ? 0 : 1 << kv_layout_offset_shift(type);
    for (int column = 0; column < KV_GROUP; column++) {
        const uint8_t *codes = plain.codes[column / 4] + column % 4;
        for (int row = 0; row < KV_TILE; row++) {
            const float product = plain.scales[column / 16][row] * (float)(codes[4 * row] - offset);
            values[column][row] = kv_layout_has_minimum(type) ? product + plain.minimum[row] : product;
        }
    }
}

// The code of one column of one row of a group.
static int read_code(kv_weight_type type, const uint8_t *packed, size_t row, size_t column) {
    const size_t quad = column / 4, i = 4 * row + column % 4;
    const int bits = kv_layout_bits(type);
    if (bits == 8) return packed[quad * KV_QUAD_BYTES + i];
    int code = packed[quad / 2 * KV_QUAD_BYTES + i] >> 4 * (quad % 2) & 0xf;
    const uint8_t *plane = packed + KV_NIBBLE_BYTES;
    if (bits == 5) code |= (plane[i] >> quad & 1) << 4;
    if (bits == 6) code |= (plane[quad / 4 * KV_QUAD_BYTES + i] >> 2 * (quad % 4) & 3) << 4;
    return code;
}

// One row of one group of a block format; the same operations as kv_layout_widen_group.
static void widen_row(kv_weight_type type, const uint8_t *tile, size_t group, size_t row, float *values) {
#pragma clang fp contract(off)
    const uint8_t *packed = tile + kv_layout_group_offset(type, group);
    const uint8_t *scales = packed + kv_layout_code_bytes(type);
    const uint8_t *super = tile + kv_layout_super_offset(type, group);
    const bool has_minimum = kv_layout_has_minimum(type);
    float halves[2], minimum = 0;
    if (kv_layout_has_row_scales(type)) {
        halves[0] = halves[1] = read_f32(super + 4 * row);
    } else if (kv_layout_is_super(type)) {
        const float d = kv_f16_to_f32(read_u16(super + 2 * row));
        if (has_minimum) {
            halves[0] = halves[1] = d * (float)scales[row];
            minimum = -(kv_f16_to_f32(read_u16(super + 2 * (KV_TILE + row))) * (float)scales[KV_TILE + row]);
        } else {
            halves[0] = d * (float)(int8_t)scales[row];
            halves[1] = d * (float)(int8_t)scales[KV_TILE + row];
        }
    } else {
        halves[0] = halves[1] = kv_f16_to_f32(read_u16(scales + 2 * row));
        if (has_minimum) minimum = kv_f16_to_f32(read_u16(scales + 2 * (KV_TILE + row)));
    }
    const int offset = has_minimum ? 0 : 1 << kv_layout_offset_shift(type);
    for (size_t column = 0; column < KV_GROUP; column++) {
        const float product = halves[column / 16] * (float)(read_code(type, packed, row, column) - offset);
        values[column] = has_minimum ? product + minimum : product;
    }
}

void kv_linear_unpack_row(const kv_linear_weight *weight, size_t row, float *values) {
    const size_t tile_bytes = kv_linear_tile_bytes(weight->type, weight->columns);
    const uint8_t *tile = (const uint8_t *)weight->packed + row / KV_TILE * tile_bytes;
    const size_t width = kv_layout_float_bytes(weight->type);
    for (size_t column = 0; width != 0 && column < weight->columns; column++) {
        const uint8_t *source = tile + (column * KV_TILE + row % KV_TILE) * width;
        if (weight->type == KV_WEIGHT_F32)
            memcpy(values + column, source, sizeof *values);
        else
            values[column] = weight->type == KV_WEIGHT_F16 ? kv_f16_to_f32(read_u16(source))
                                                           : kv_bf16_to_f32(read_u16(source));
    }
    for (size_t first = 0; width == 0 && first < weight->columns; first += KV_GROUP) {
        float whole[KV_GROUP];
        widen_row(weight->type, tile, first / KV_GROUP, row % KV_TILE, whole);
        const size_t count = weight->columns - first < KV_GROUP ? weight->columns - first : KV_GROUP;
        memcpy(values + first, whole, count * sizeof *values);
    }
}
