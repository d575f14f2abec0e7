// Where things lie in a packed tile; kv_linear.h describes the layout. Written as inline functions of a type that is a
// constant at every call in the kernels, so that they fold away.
#ifndef KV_LINEAR_LAYOUT_H
#define KV_LINEAR_LAYOUT_H

#include "kv_linear.h"

#define KV_INLINE static inline __attribute__((always_inline))

enum {
    KV_TILE = KV_LINEAR_TILE_ROWS,
    KV_GROUP = KV_LINEAR_GROUP_COLUMNS,
    KV_QUADS = KV_GROUP / 4,
    KV_QUAD_BYTES = KV_TILE * 4,
    KV_NIBBLE_BYTES = KV_TILE * KV_GROUP / 2,
    KV_SUPER_GROUPS = 8,
};

// Bits of a code; 0 for the float types.
KV_INLINE int kv_layout_bits(kv_weight_type type) {
    switch (type) {
    case KV_WEIGHT_Q4_0:
    case KV_WEIGHT_Q4_1:
    case KV_WEIGHT_Q4_K:
        return 4;
    case KV_WEIGHT_Q5_0:
    case KV_WEIGHT_Q5_1:
    case KV_WEIGHT_Q5_K:
        return 5;
    case KV_WEIGHT_Q6_K:
        return 6;
    case KV_WEIGHT_Q8_0:
    case KV_WEIGHT_INT8_ROW:
        return 8;
    default:
        return 0;
    }
}

KV_INLINE bool kv_layout_is_super(kv_weight_type type) {
    return type == KV_WEIGHT_Q4_K || type == KV_WEIGHT_Q5_K || type == KV_WEIGHT_Q6_K;
}

// Whether a tile begins with one float32 scale per row, and its groups have none.
KV_INLINE bool kv_layout_has_row_scales(kv_weight_type type) { return type == KV_WEIGHT_INT8_ROW; }

// Bytes of a tile before its first group, but for those of the K types, which come again with every run of groups.
KV_INLINE size_t kv_layout_head_bytes(kv_weight_type type) { return kv_layout_has_row_scales(type) ? 4 * KV_TILE : 0; }

// Groups of a row; the last one may be filled up with zeros where the source has no blocks.
KV_INLINE size_t kv_layout_groups(kv_weight_type type, size_t columns) {
    return columns / KV_GROUP + (kv_layout_has_row_scales(type) && columns % KV_GROUP != 0);
}

// Whether a weight is scale * q + minimum; else it is scale * (q - offset) with a power of two as offset.
KV_INLINE bool kv_layout_has_minimum(kv_weight_type type) {
    return type == KV_WEIGHT_Q4_1 || type == KV_WEIGHT_Q5_1 || type == KV_WEIGHT_Q4_K || type == KV_WEIGHT_Q5_K;
}

// log2 of the offset of a type without minimum.
KV_INLINE int kv_layout_offset_shift(kv_weight_type type) { return kv_layout_bits(type) - 1; }

KV_INLINE size_t kv_layout_plane_bytes(kv_weight_type type) {
    const int bits = kv_layout_bits(type);
    return bits == 5 ? KV_QUAD_BYTES : bits == 6 ? 2 * KV_QUAD_BYTES : 0;
}

// Bytes of the codes of a group; its scales follow.
KV_INLINE size_t kv_layout_code_bytes(kv_weight_type type) {
    return kv_layout_bits(type) == 8 ? (size_t)KV_TILE * KV_GROUP : KV_NIBBLE_BYTES + kv_layout_plane_bytes(type);
}

KV_INLINE size_t kv_layout_group_bytes(kv_weight_type type) {
    if (kv_layout_has_row_scales(type)) return kv_layout_code_bytes(type);
    // Two bytes per row are either one f16 scale or two 8-bit scales.
    const size_t scales = kv_layout_has_minimum(type) && !kv_layout_is_super(type) ? 4 * KV_TILE : 2 * KV_TILE;
    return kv_layout_code_bytes(type) + scales;
}

// Bytes in front of each run of KV_SUPER_GROUPS groups.
KV_INLINE size_t kv_layout_super_bytes(kv_weight_type type) {
    if (!kv_layout_is_super(type)) return 0;
    return kv_layout_has_minimum(type) ? 4 * KV_TILE : 2 * KV_TILE;
}

// Offset of group `group` in its tile.
KV_INLINE size_t kv_layout_group_offset(kv_weight_type type, size_t group) {
    const size_t super = kv_layout_is_super(type) ? (group / KV_SUPER_GROUPS + 1) * kv_layout_super_bytes(type) : 0;
    return kv_layout_head_bytes(type) + super + group * kv_layout_group_bytes(type);
}

// Offset of the super-block scales, or of the rows' scales, that belong to group `group`.
KV_INLINE size_t kv_layout_super_offset(kv_weight_type type, size_t group) {
    if (kv_layout_has_row_scales(type)) return 0;
    const size_t index = group / KV_SUPER_GROUPS;
    return index * (kv_layout_super_bytes(type) + KV_SUPER_GROUPS * kv_layout_group_bytes(type));
}

// Bytes of one value of a float type; 0 for the block formats.
KV_INLINE size_t kv_layout_float_bytes(kv_weight_type type) {
    return type == KV_WEIGHT_F32 ? 4 : type == KV_WEIGHT_F16 || type == KV_WEIGHT_BF16 ? 2 : 0;
}

KV_INLINE size_t kv_layout_tile_bytes(kv_weight_type type, size_t columns) {
    if (kv_layout_float_bytes(type) != 0) return columns * KV_TILE * kv_layout_float_bytes(type);
    const size_t groups = kv_layout_groups(type, columns);
    return kv_layout_head_bytes(type) + groups * kv_layout_group_bytes(type) +
           groups / KV_SUPER_GROUPS * kv_layout_super_bytes(type);
}

// One group in plain form, for the portable kernels and for packing.
typedef struct {
    uint8_t codes[KV_QUADS][KV_QUAD_BYTES];  // byte 4 * row + k of a quad: column k of the quad
    float scales[2][KV_TILE];  // of the first and of the second 16 columns
    float minimum[KV_TILE];    // if the type has one
} kv_plain_group;

// Reads group `group` of a packed tile.
void kv_layout_read_group(kv_weight_type type, const uint8_t *tile, size_t group, kv_plain_group *plain);

// Widens group `group`, or `count` columns of it if the type is a float one, to float32: values[column][row].
void kv_layout_widen_group(kv_weight_type type, const uint8_t *tile, size_t group, size_t count,
                           float values[KV_GROUP][KV_TILE]);

#endif
