// Portable linear layers: the twin of every fast row. Integer sums are exact; float operations are those of the fast
// rows, in their order.

#include "linear_kernels.h"
#include "linear_quantize.h"

enum { TOKENS = 8 };  // tokens that share one unpacked group

// Adds one token's products with one group to `sums`, one per row.
static void add_group(kv_weight_type type, const kv_plain_group *plain, const kv_activation_group *a, float *sums) {
    const bool has_minimum = kv_layout_has_minimum(type);
    const int32_t offset = has_minimum ? 0 : 1 << kv_layout_offset_shift(type);
    int32_t dots[2][KV_TILE];  // of the first and of the second 16 columns
    for (int half = 0; half < 2; half++) {
        const int32_t minus_sum = half == 0 ? a->minus_half_sum : a->minus_sum - a->minus_half_sum;
        for (int row = 0; row < KV_TILE; row++) dots[half][row] = offset * minus_sum;
        for (int quad = half * KV_QUADS / 2; quad < (half + 1) * KV_QUADS / 2; quad++) {
            const int8_t *x = a->codes + 4 * quad;
            for (int row = 0; row < KV_TILE; row++) {
                const uint8_t *codes = plain->codes[quad] + 4 * row;
                dots[half][row] += codes[0] * x[0] + codes[1] * x[1] + codes[2] * x[2] + codes[3] * x[3];
            }
        }
    }
    for (int row = 0; row < KV_TILE; row++) {
        const float scale = plain->scales[0][row] * a->scale;
        if (type == KV_WEIGHT_Q6_K) {
            sums[row] += (float)dots[0][row] * scale;
            sums[row] += (float)dots[1][row] * (plain->scales[1][row] * a->scale);
        } else {
            sums[row] += (float)(dots[0][row] + dots[1][row]) * scale;
            if (has_minimum) sums[row] += plain->minimum[row] * a->sum;
        }
    }
}

// INT8_ROW: integer sums over all columns, scaled once.
static void multiply_rows(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end,
                          const kv_activation_group *activations, size_t tokens, float *y, size_t y_stride) {
    const size_t groups = kv_layout_groups(weight->type, weight->columns);
    const size_t tile_bytes = kv_layout_tile_bytes(weight->type, weight->columns);
    for (size_t index = tile_begin; index < tile_end; index++) {
        const uint8_t *tile = (const uint8_t *)weight->packed + index * tile_bytes;
        const size_t first_row = index * KV_TILE;
        const size_t rows = weight->rows - first_row < KV_TILE ? weight->rows - first_row : KV_TILE;
        for (size_t t = 0; t < tokens; t++) {
            int32_t dots[KV_TILE] = {0};
            kv_plain_group plain;
            for (size_t group = 0; group < groups; group++) {
                kv_layout_read_group(weight->type, tile, group, &plain);
                const int8_t *x = activations[t * groups + group].codes;
                for (int i = 0; i < KV_GROUP; i++) {
                    for (int row = 0; row < KV_TILE; row++) dots[row] += (plain.codes[i / 4][4 * row + i % 4] - 128) * x[i];
                }
            }
            for (size_t row = 0; row < rows; row++) {
                y[t * y_stride + first_row + row] = (float)dots[row] * (plain.scales[0][row] * activations[t * groups].scale);
            }
        }
    }
}

static void multiply(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end,
                     const kv_activation_group *activations, size_t tokens, float *y, size_t y_stride) {
    if (kv_layout_has_row_scales(weight->type)) {
        multiply_rows(weight, tile_begin, tile_end, activations, tokens, y, y_stride);
        return;
    }
    const size_t groups = weight->columns / KV_GROUP;
    const size_t tile_bytes = kv_layout_tile_bytes(weight->type, weight->columns);
    for (size_t index = tile_begin; index < tile_end; index++) {
        const uint8_t *tile = (const uint8_t *)weight->packed + index * tile_bytes;
        const size_t first_row = index * KV_TILE;
        const size_t rows = weight->rows - first_row < KV_TILE ? weight->rows - first_row : KV_TILE;
        for (size_t first = 0; first < tokens; first += TOKENS) {
            const size_t count = tokens - first < TOKENS ? tokens - first : TOKENS;
            float sums[TOKENS][KV_TILE] = {{0}};
            for (size_t group = 0; group < groups; group++) {
                kv_plain_group plain;
                kv_layout_read_group(weight->type, tile, group, &plain);
                for (size_t t = 0; t < count; t++) {
                    add_group(weight->type, &plain, activations + (first + t) * groups + group, sums[t]);
                }
            }
            for (size_t t = 0; t < count; t++) {
                memcpy(y + (first + t) * y_stride + first_row, sums[t], rows * sizeof(float));
            }
        }
    }
}

static void multiply_f32(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end, const float *x,
                         size_t x_stride, size_t tokens, float *y, size_t y_stride) {
    const size_t columns = weight->columns;
    const size_t tile_bytes = kv_layout_tile_bytes(weight->type, columns);
    for (size_t index = tile_begin; index < tile_end; index++) {
        const uint8_t *tile = (const uint8_t *)weight->packed + index * tile_bytes;
        const size_t first_row = index * KV_TILE;
        const size_t rows = weight->rows - first_row < KV_TILE ? weight->rows - first_row : KV_TILE;
        for (size_t first = 0; first < tokens; first += TOKENS) {
            const size_t count = tokens - first < TOKENS ? tokens - first : TOKENS;
            float sums[TOKENS][2][KV_TILE] = {{{0}}};  // of even and of odd columns
            for (size_t column = 0; column < columns; column += KV_GROUP) {
                const size_t width = columns - column < KV_GROUP ? columns - column : KV_GROUP;
                float values[KV_GROUP][KV_TILE];
                kv_layout_widen_group(weight->type, tile, column / KV_GROUP, width, values);
                for (size_t t = 0; t < count; t++) {
                    const float *token = x + (first + t) * x_stride + column;
                    for (size_t i = 0; i < width; i++) {
                        for (int r = 0; r < KV_TILE; r++) sums[t][i % 2][r] += values[i][r] * token[i];
                    }
                }
            }
            for (size_t t = 0; t < count; t++) {
                float *out = y + (first + t) * y_stride + first_row;
                for (size_t r = 0; r < rows; r++) out[r] = sums[t][0][r] + sums[t][1][r];
            }
        }
    }
}

const kv_linear_kernels kv_linear_generic = {
    .quantize = kv_quantize,
    .quantize_token = kv_quantize_token,
    .multiply = multiply,
    .multiply_f32 = multiply_f32,
};
