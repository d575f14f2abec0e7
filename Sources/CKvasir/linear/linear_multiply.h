// The register-tiled loops of the linear layers, written once over the vector primitives (prefix kvv_) that the
// including file defines for its instruction set:
//
//   KVV_LANES    float lanes of a vector; a tile of 16 rows takes 16 / KVV_LANES vectors ("parts")
//   KVV_TOKENS   tokens of the widest register tile: 8 or 4
//   KVV_SIGNED_EIGHT   1 if kvv_group_dots takes the offset off 8-bit codes itself
//   kvv_bytes, kvv_int, kvv_float, loads, arithmetic, kvv_store, and
//   kvv_group_dots   integer dot products of some quads of columns for several tokens
//
// Functions are always inlined and called with constant type, parts and tokens: everything that depends on them folds
// away, and the arrays live in registers. A token's float operations do not depend on the tile it is computed in.

#include <string.h>

#include "linear_kernels.h"
#include "linear_layout.h"

enum {
    KVV_BYTES = KVV_LANES * 4,
    KVV_PARTS = KV_TILE / KVV_LANES,
    KVV_WIDE_COLUMNS = 4 * KV_GROUP,  // columns that multiply_f32 widens at a time: 8 KiB, half of it with AVX2
    KVV_WIDE_TOKENS = 64,             // tokens that share them
    KVV_PREFETCH = 2048,              // bytes that weights are asked for ahead
};

// The types the kernels are compiled for, one after another.
#define KVV_BLOCK_TYPES(CASE) \
    CASE(KV_WEIGHT_Q4_0)      \
    CASE(KV_WEIGHT_Q4_1)      \
    CASE(KV_WEIGHT_Q5_0)      \
    CASE(KV_WEIGHT_Q5_1)      \
    CASE(KV_WEIGHT_Q8_0)      \
    CASE(KV_WEIGHT_INT8_ROW)  \
    CASE(KV_WEIGHT_Q4_K)      \
    CASE(KV_WEIGHT_Q5_K)      \
    CASE(KV_WEIGHT_Q6_K)

// The scales and minima of one part of a group, widened.
typedef struct {
    kvv_float scales[2];
    kvv_float minimum;
} kvv_scales;

KV_INLINE kvv_scales kvv_load_scales(const kv_weight_type type, int part, const uint8_t *super, const uint8_t *group) {
    kvv_scales out = {{kvv_set(0), kvv_set(0)}, kvv_set(0)};
    const uint8_t *own = group + kv_layout_code_bytes(type);
    const int lane = part * KVV_LANES;
    if (kv_layout_has_row_scales(type)) {
        out.scales[0] = kvv_load_f32(super + 4 * lane);
        return out;
    }
    if (!kv_layout_is_super(type)) {
        out.scales[0] = kvv_load_f16(own + 2 * lane);
        if (kv_layout_has_minimum(type)) out.minimum = kvv_load_f16(own + 2 * (KV_TILE + lane));
        return out;
    }
    const kvv_float d = kvv_load_f16(super + 2 * lane);
    if (kv_layout_has_minimum(type)) {
        const kvv_float minus_dmin = kvv_sub(kvv_set(-0.0f), kvv_load_f16(super + 2 * (KV_TILE + lane)));
        out.scales[0] = kvv_mul(d, kvv_load_u8(own + lane));
        out.minimum = kvv_mul(minus_dmin, kvv_load_u8(own + KV_TILE + lane));
    } else {
        out.scales[0] = kvv_mul(d, kvv_load_s8(own + lane));
        out.scales[1] = kvv_mul(d, kvv_load_s8(own + KV_TILE + lane));
    }
    return out;
}

// The codes of quad `quad`; `packed` is the group's codes, advanced to the part.
KV_INLINE kvv_bytes kvv_codes(const kv_weight_type type, const uint8_t *packed, int quad) {
    const int bits = kv_layout_bits(type);
    if (bits == 8) return kvv_load_bytes(packed + quad * KV_QUAD_BYTES);
    const kvv_bytes nibbles = kvv_load_bytes(packed + quad / 2 * KV_QUAD_BYTES);
    const kvv_bytes codes = kvv_field(nibbles, 4 * (quad % 2), 0, 0x0f);
    const uint8_t *plane = packed + KV_NIBBLE_BYTES;
    if (bits == 5) return kvv_or(codes, kvv_field(kvv_load_bytes(plane), quad, 4, 0x10));
    if (bits == 6) {
        const kvv_bytes pairs = kvv_load_bytes(plane + quad / 4 * KV_QUAD_BYTES);
        return kvv_or(codes, kvv_field(pairs, 2 * (quad % 4), 4, 0x30));
    }
    return codes;
}

// Adds the dot products of `quads` quads from `first` on to `dots`, a vector per token. The including file defines it.
KV_INLINE void kvv_group_dots(const kv_weight_type type, const int tokens, const uint8_t *packed, int first, int quads,
                              const kv_activation_group *a, size_t stride, kvv_int *dots);

// Dot products of one part and `tokens` tokens with one group, added to `sums`.
KV_INLINE void kvv_add_group(const kv_weight_type type, const int tokens, int part, const uint8_t *super,
                             const uint8_t *group, const kv_activation_group *a, size_t stride, kvv_float *sums) {
    const kvv_scales scales = kvv_load_scales(type, part, super, group);
    const bool is_split = type == KV_WEIGHT_Q6_K;
    const bool has_offset = !kv_layout_has_minimum(type) && !(KVV_SIGNED_EIGHT && kv_layout_bits(type) == 8);
    const int shift = kv_layout_offset_shift(type);
#pragma unroll
    for (int half = 0; half < (is_split ? 2 : 1); half++) {
        kvv_int dots[KVV_TOKENS];
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            const kv_activation_group *token = a + (size_t)t * stride;
            if (!has_offset) {
                dots[t] = kvv_int_zero();
            } else if (!is_split) {
                dots[t] = kvv_int_shift(kvv_int_set(&token->minus_sum), shift);
            } else if (half == 0) {
                dots[t] = kvv_int_shift(kvv_int_set(&token->minus_half_sum), shift);
            } else {
                const kvv_int low = kvv_int_set(&token->minus_half_sum);
                dots[t] = kvv_int_shift(kvv_int_sub(kvv_int_set(&token->minus_sum), low), shift);
            }
        }
        const int quads = is_split ? KV_QUADS / 2 : KV_QUADS;
        kvv_group_dots(type, tokens, group + part * KVV_BYTES, half * quads, quads, a, stride, dots);
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            const kv_activation_group *token = a + (size_t)t * stride;
            const kvv_float scale = kvv_mul(scales.scales[half], kvv_set(token->scale));
            sums[t] = kvv_fma(kvv_to_float(dots[t]), scale, sums[t]);
            if (kv_layout_has_minimum(type)) sums[t] = kvv_fma(scales.minimum, kvv_set(token->sum), sums[t]);
        }
    }
}

// `parts` parts of a tile of rows with one scale each, from `first_part`, times `tokens` tokens with one scale each. `ahead`
// asks memory for the weights that come next: for the first tokens of a tile, the others find them in the nearest cache.
KV_INLINE void kvv_multiply_row_block(const kv_weight_type type, const int parts, const int tokens, int first_part,
                                      const uint8_t *tile, size_t groups, const kv_activation_group *a, float *y,
                                      size_t y_stride, size_t rows, const bool ahead) {
    kvv_int dots[KVV_PARTS][KVV_TOKENS];
#pragma unroll
    for (int p = 0; p < parts; p++) {
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            // Sums over all columns stay within 32 bits; on the way there, with the offset, they may wrap.
            dots[p][t] = KVV_SIGNED_EIGHT ? kvv_int_zero()
                                          : kvv_int_shift(kvv_int_set(&a[(size_t)t * groups].minus_sum),
                                                          kv_layout_offset_shift(type));
        }
    }
    const uint8_t *group = tile + kv_layout_head_bytes(type);
    for (size_t g = 0; g < groups; g++) {
        if (ahead) {
#pragma unroll
            for (size_t line = 0; line < kv_layout_group_bytes(type); line += 64) {
                __builtin_prefetch(group + KVV_PREFETCH + line);
            }
        }
#pragma unroll
        for (int p = 0; p < parts; p++) {
            kvv_group_dots(type, tokens, group + (first_part + p) * KVV_BYTES, 0, KV_QUADS, a + g, groups, dots[p]);
        }
        group += kv_layout_group_bytes(type);
    }
#pragma unroll
    for (int p = 0; p < parts; p++) {
        const size_t row = (size_t)(first_part + p) * KVV_LANES;
        const size_t left = rows > row ? rows - row : 0;
        const kvv_float scales = kvv_load_f32(tile + 4 * row);
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            const kvv_float scale = kvv_mul(scales, kvv_set(a[(size_t)t * groups].scale));
            kvv_store(y + (size_t)t * y_stride + row, kvv_mul(kvv_to_float(dots[p][t]), scale),
                      left < KVV_LANES ? left : KVV_LANES);
        }
    }
}

// `parts` parts of a tile, from `first_part`, times `tokens` tokens.
KV_INLINE void kvv_multiply_block(const kv_weight_type type, const int parts, const int tokens, int first_part,
                                  const uint8_t *tile, size_t groups, const kv_activation_group *a, float *y,
                                  size_t y_stride, size_t rows, const bool ahead) {
    if (kv_layout_has_row_scales(type)) {
        kvv_multiply_row_block(type, parts, tokens, first_part, tile, groups, a, y, y_stride, rows, ahead);
        return;
    }
    kvv_float sums[KVV_PARTS][KVV_TOKENS];
#pragma unroll
    for (int p = 0; p < parts; p++) {
#pragma unroll
        for (int t = 0; t < tokens; t++) sums[p][t] = kvv_set(0);
    }
    const uint8_t *super = tile;
    const uint8_t *group = tile;
    for (size_t g = 0; g < groups; g++) {
        if (kv_layout_is_super(type) && g % KV_SUPER_GROUPS == 0) {
            super = group;
            group += kv_layout_super_bytes(type);
        }
        if (ahead) {
#pragma unroll
            for (size_t line = 0; line < kv_layout_group_bytes(type); line += 64) {
                __builtin_prefetch(group + KVV_PREFETCH + line);
            }
        }
#pragma unroll
        for (int p = 0; p < parts; p++) {
            kvv_add_group(type, tokens, first_part + p, super, group, a + g, groups, sums[p]);
        }
        group += kv_layout_group_bytes(type);
    }
#pragma unroll
    for (int p = 0; p < parts; p++) {
        const size_t row = (size_t)(first_part + p) * KVV_LANES;
        const size_t left = rows > row ? rows - row : 0;
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            kvv_store(y + (size_t)t * y_stride + row, sums[p][t], left < KVV_LANES ? left : KVV_LANES);
        }
    }
}

// Every part of a tile in turn, times `tokens` tokens.
KV_INLINE void kvv_multiply_parts(const kv_weight_type type, const int tokens, const uint8_t *tile, size_t groups,
                                  const kv_activation_group *a, float *y, size_t y_stride, size_t rows,
                                  const bool ahead) {
    for (int part = 0; part < KVV_PARTS; part++) {
        kvv_multiply_block(type, 1, tokens, part, tile, groups, a, y, y_stride, rows, ahead && part == 0);
    }
}

// One tile times all tokens: the widest register tiles first, then narrower ones for the rest.
KV_INLINE void kvv_multiply_tile(const kv_weight_type type, const uint8_t *tile, size_t groups,
                                 const kv_activation_group *a, size_t tokens, float *y, size_t y_stride, size_t rows) {
    size_t t = 0;
    if (KVV_TOKENS <= tokens) {
        kvv_multiply_parts(type, KVV_TOKENS, tile, groups, a, y, y_stride, rows, true);
        t += KVV_TOKENS;
    }
    for (; t + KVV_TOKENS <= tokens; t += KVV_TOKENS) {
        kvv_multiply_parts(type, KVV_TOKENS, tile, groups, a + t * groups, y + t * y_stride, y_stride, rows, false);
    }
    if (KVV_TOKENS == 8 && t + 4 <= tokens) {
        kvv_multiply_parts(type, 4, tile, groups, a + t * groups, y + t * y_stride, y_stride, rows, true);
        t += 4;
    }
    if (t + 2 <= tokens) {
        kvv_multiply_parts(type, 2, tile, groups, a + t * groups, y + t * y_stride, y_stride, rows, true);
        t += 2;
    }
    // All parts of a group together, so that a lone token reads the weights as one stream.
    if (t < tokens) {
        kvv_multiply_block(type, KVV_PARTS, 1, 0, tile, groups, a + t * groups, y + t * y_stride, y_stride, rows, true);
    }
}

KV_INLINE void kvv_multiply_type(const kv_weight_type type, const kv_linear_weight *weight, size_t tile_begin,
                                 size_t tile_end, const kv_activation_group *a, size_t tokens, float *y,
                                 size_t y_stride) {
    const size_t tile_bytes = kv_layout_tile_bytes(type, weight->columns);
    for (size_t index = tile_begin; index < tile_end; index++) {
        const size_t row = index * KV_TILE;
        kvv_multiply_tile(type, (const uint8_t *)weight->packed + index * tile_bytes,
                          kv_layout_groups(type, weight->columns), a, tokens, y + row, y_stride, weight->rows - row);
    }
}

static void kvv_multiply(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end,
                         const kv_activation_group *activations, size_t tokens, float *y, size_t y_stride) {
#define KVV_CASE(constant)                                                                             \
    case constant:                                                                                     \
        kvv_multiply_type(constant, weight, tile_begin, tile_end, activations, tokens, y, y_stride);   \
        break;
    switch (weight->type) {
        KVV_BLOCK_TYPES(KVV_CASE)
    default:
        break;
    }
#undef KVV_CASE
}

// Widens one part of a group of a block format to float32, column by column. The product is rounded before the minimum
// is added, as in kv_dequantize.
KV_INLINE void kvv_widen_group(const kv_weight_type type, int part, const uint8_t *tile, size_t index,
                               kvv_float *values) {
    const uint8_t *group = tile + kv_layout_group_offset(type, index);
    const kvv_scales scales = kvv_load_scales(type, part, tile + kv_layout_super_offset(type, index), group);
    const kvv_float offset = kvv_set(kv_layout_has_minimum(type) ? 0 : (float)(1 << kv_layout_offset_shift(type)));
#pragma unroll
    for (int quad = 0; quad < KV_QUADS; quad++) {
        const kvv_bytes codes = kvv_codes(type, group + part * KVV_BYTES, quad);
        const kvv_float scale = scales.scales[type == KV_WEIGHT_Q6_K ? quad / (KV_QUADS / 2) : 0];
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const kvv_float code = kvv_sub(kvv_byte_to_float(codes, k), offset);
            const kvv_float product = kvv_mul(scale, code);
            values[4 * quad + k] = kv_layout_has_minimum(type) ? kvv_add(product, scales.minimum) : product;
        }
    }
}

// Widens `count` columns from `first` (a multiple of a group) of one part.
static void kvv_widen(kv_weight_type type, int part, const uint8_t *tile, size_t first, size_t count,
                      kvv_float *values) {
    const size_t lane = (size_t)part * KVV_LANES;
#define KVV_CASE(constant)                                                                  \
    case constant:                                                                          \
        for (size_t i = 0; i < count; i += KV_GROUP) {                                      \
            kvv_widen_group(constant, part, tile, (first + i) / KV_GROUP, values + i);      \
        }                                                                                   \
        break;
    switch (type) {
    case KV_WEIGHT_F32:
        for (size_t i = 0; i < count; i++) values[i] = kvv_load_f32(tile + ((first + i) * KV_TILE + lane) * 4);
        break;
    case KV_WEIGHT_F16:
        for (size_t i = 0; i < count; i++) values[i] = kvv_load_f16(tile + ((first + i) * KV_TILE + lane) * 2);
        break;
    case KV_WEIGHT_BF16:
        for (size_t i = 0; i < count; i++) values[i] = kvv_load_bf16(tile + ((first + i) * KV_TILE + lane) * 2);
        break;
        KVV_BLOCK_TYPES(KVV_CASE)
    default:
        break;
    }
#undef KVV_CASE
}

// Adds `count` columns of widened weights times `tokens` tokens to the sums of even and odd columns.
KV_INLINE void kvv_add_wide(const int tokens, const kvv_float *values, size_t count, const float *x, size_t x_stride,
                            kvv_float sums[][2]) {
    kvv_float even[KVV_TOKENS], odd[KVV_TOKENS];
#pragma unroll
    for (int t = 0; t < tokens; t++) {
        even[t] = sums[t][0];
        odd[t] = sums[t][1];
    }
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            even[t] = kvv_fma(values[i], kvv_set(x[(size_t)t * x_stride + i]), even[t]);
            odd[t] = kvv_fma(values[i + 1], kvv_set(x[(size_t)t * x_stride + i + 1]), odd[t]);
        }
    }
    if (i < count) {
#pragma unroll
        for (int t = 0; t < tokens; t++) even[t] = kvv_fma(values[i], kvv_set(x[(size_t)t * x_stride + i]), even[t]);
    }
#pragma unroll
    for (int t = 0; t < tokens; t++) {
        sums[t][0] = even[t];
        sums[t][1] = odd[t];
    }
}

static void kvv_multiply_f32(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end, const float *x,
                             size_t x_stride, size_t tokens, float *y, size_t y_stride) {
    const size_t columns = weight->columns;
    const size_t tile_bytes = kv_layout_tile_bytes(weight->type, columns);
    kvv_float values[KVV_WIDE_COLUMNS];
    kvv_float sums[KVV_WIDE_TOKENS][2];
    for (size_t index = tile_begin; index < tile_end; index++) {
        const uint8_t *tile = (const uint8_t *)weight->packed + index * tile_bytes;
        for (int part = 0; part < KVV_PARTS; part++) {
            const size_t row = index * KV_TILE + (size_t)part * KVV_LANES;
            if (row >= weight->rows) break;
            const size_t rows = weight->rows - row < KVV_LANES ? weight->rows - row : KVV_LANES;
            for (size_t base = 0; base < tokens; base += KVV_WIDE_TOKENS) {
                const size_t many = tokens - base < KVV_WIDE_TOKENS ? tokens - base : KVV_WIDE_TOKENS;
                for (size_t t = 0; t < many; t++) sums[t][0] = sums[t][1] = kvv_set(0);
                for (size_t first = 0; first < columns; first += KVV_WIDE_COLUMNS) {
                    const size_t count = columns - first < KVV_WIDE_COLUMNS ? columns - first : KVV_WIDE_COLUMNS;
                    kvv_widen(weight->type, part, tile, first, count, values);
                    const float *from = x + base * x_stride + first;
                    size_t t = 0;
                    for (; t + KVV_TOKENS <= many; t += KVV_TOKENS) {
                        kvv_add_wide(KVV_TOKENS, values, count, from + t * x_stride, x_stride, sums + t);
                    }
                    for (; t < many; t++) kvv_add_wide(1, values, count, from + t * x_stride, x_stride, sums + t);
                }
                for (size_t t = 0; t < many; t++) {
                    kvv_store(y + (base + t) * y_stride + row, kvv_add(sums[t][0], sums[t][1]), rows);
                }
            }
        }
    }
}
