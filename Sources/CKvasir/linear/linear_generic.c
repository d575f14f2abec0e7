// Portable linear layers: the twin of every fast row. Integer sums are exact; float operations are those of the fast
// rows, in their order.

#include "linear_kernels.h"
#include "linear_quantize.h"

enum { TOKENS = 8 };  // tokens that share one unpacked group

static float group_sum(kv_weight_type type, const kv_plain_group *plain, int row, const kv_activation_group *a,
                       float sum) {
    int32_t halves[2] = {0, 0};
    for (int half = 0; half < 2; half++) {
        for (int i = half * 16; i < half * 16 + 16; i++) halves[half] += plain->codes[row][i] * a->codes[i];
    }
    if (!kv_layout_has_minimum(type)) {
        const int32_t offset = 1 << kv_layout_offset_shift(type);
        halves[0] += offset * a->minus_half_sum;
        halves[1] += offset * (a->minus_sum - a->minus_half_sum);
    }
    if (type == KV_WEIGHT_Q6_K) {
        sum += (float)halves[0] * (plain->scales[0][row] * a->scale);
        sum += (float)halves[1] * (plain->scales[1][row] * a->scale);
        return sum;
    }
    sum += (float)(halves[0] + halves[1]) * (plain->scales[0][row] * a->scale);
    if (kv_layout_has_minimum(type)) sum += plain->minimum[row] * a->sum;
    return sum;
}

static void multiply(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end,
                     const kv_activation_group *activations, size_t tokens, float *y, size_t y_stride) {
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
                    const kv_activation_group *a = activations + (first + t) * groups + group;
                    for (int r = 0; r < KV_TILE; r++) {
                        sums[t][r] = group_sum(weight->type, &plain, r, a, sums[t][r]);
                    }
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
    .multiply = multiply,
    .multiply_f32 = multiply_f32,
};
