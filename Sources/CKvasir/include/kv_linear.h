// Linear layers y = W x on weights repacked once at load, 16 rows side by side.
//
// A packed matrix is a sequence of tiles of 16 rows (the last one padded with zero rows); a tile is a sequence of
// groups of 32 columns. Lanes of a vector register are rows, activations are broadcast, so no kernel ever sums across
// lanes. The codes of a group are ordered by quads of columns (c = 0..7 holds columns 4c..4c+3); within a quad byte
// 4 * row + k belongs to column 4c + k, which is what the integer dot-product instructions consume.
//
//   type   a group of 16 x 32 weights                                        bits/weight (source)   weight
//   Q4_0   256 nibbles, 16 f16 scales                                         4.5   (4.5)    scale * (q - 8)
//   Q4_1   256 nibbles, 16 f16 scales, 16 f16 minima                          5     (5)      scale * q + minimum
//   Q5_0   256 nibbles, 64 plane, 16 f16 scales                               5.5   (5.5)    scale * (q - 16)
//   Q5_1   256 nibbles, 64 plane, 16 f16 scales, 16 f16 minima                6     (6)      scale * q + minimum
//   Q8_0   512 codes offset by 128, 16 f16 scales                             8.5   (8.5)    scale * (q - 128)
//   Q4_K   256 nibbles, 16 u8 scales, 16 u8 minima; 64 bytes per 8 groups     4.625 (4.5)    d * s * q - dmin * m
//   Q5_K   256 nibbles, 64 plane, 16 u8 scales, 16 u8 minima; 64 per 8        5.625 (5.5)    d * s * q - dmin * m
//   Q6_K   256 nibbles, 128 plane, 2 x 16 s8 scales; 32 bytes per 8 groups    6.5625 (6.5625) d * s * (q - 32)
//   F32, F16, BF16   16 values per column in the source's width               32, 16, 16
//   INT8_ROW         512 codes offset by 128; 16 f32 scales before each tile  8 + 32 / columns         scale * (q - 128)
//
// The K types put the 16 f16 super-block scales (and minima) in front of each run of 8 groups. Byte v * 64 + i of the
// nibbles holds quad 2v in its low and quad 2v + 1 in its high half. Bit c of a plane byte is the fifth bit of quad c;
// in the two-bit plane of Q6_K, byte (c / 4) * 64 + i holds bits four and five of quad c at bit 2 * (c % 4).
// All packing is exact: an unpacked weight equals what `kv_dequantize` returns for it, bit for bit. INT8_ROW is not a
// format of files: `kv_linear_round_rows` makes it of floats, with any number of columns (zeros fill the last group), and
// its activations have one scale per token, so that integer sums run over all columns and are scaled once.
#ifndef KV_LINEAR_H
#define KV_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kv_isa.h"
#include "kv_weights.h"

enum {
    KV_LINEAR_TILE_ROWS = 16,
    KV_LINEAR_GROUP_COLUMNS = 32,
};

// A packed matrix. `packed` is best aligned to 64 bytes.
typedef struct {
    kv_weight_type type;
    size_t rows;
    size_t columns;
    const void *packed;
} kv_linear_weight;

// 32 activations of one token, rounded to 8 bits: x[i] is about scale * codes[i], codes in -127...127.
//
// Of a token rounded with one scale (`quantize_token`), every group holds the scale and the sums of the whole token, and
// minus_half_sum is 0.
typedef struct {
    int8_t codes[KV_LINEAR_GROUP_COLUMNS];
    float scale;
    float sum;               // scale * (sum of the codes)
    int32_t minus_sum;       // -(sum of the codes)
    int32_t minus_half_sum;  // -(sum of the first 16 codes)
} kv_activation_group;

// True for the block formats, which have an integer path; false for the float types and unknown ones.
bool kv_linear_is_quantized(kv_weight_type type);

// Row tiles of a matrix with `rows` rows.
static inline size_t kv_linear_tiles(size_t rows) {
    return rows / KV_LINEAR_TILE_ROWS + (rows % KV_LINEAR_TILE_ROWS != 0);
}

// Bytes of one packed tile, or 0 if the type is unknown or `columns` is no multiple of the type's block.
size_t kv_linear_tile_bytes(kv_weight_type type, size_t columns);

// Bytes of a packed matrix, or 0 if the type is unknown, `columns` does not fit, or the size overflows.
size_t kv_linear_packed_bytes(kv_weight_type type, size_t rows, size_t columns);

// Packs the tiles tile_begin..<tile_end of a matrix. `source` is row 0 in the type's block format, rows `row_stride`
// bytes apart, without any alignment; `packed` is the whole destination of `kv_linear_packed_bytes`. Ranges may be
// packed in parallel. Does nothing if the type is unknown or `columns` does not fit.
void kv_linear_repack(kv_weight_type type, const void *source, size_t row_stride, size_t rows, size_t columns,
                      size_t tile_begin, size_t tile_end, void *packed);

// Columns of INT8_ROW up to which integer sums cannot overflow.
enum { KV_LINEAR_MOST_INT8_COLUMNS = 1 << 17 };

// Rounds the tiles tile_begin..<tile_end of a float32 matrix to INT8_ROW: scale = max|w| / 127 per row, or limit / 127 for
// all rows if `limit` is not 0; to nearest even, codes in -127...127. Rows are `row_stride` floats apart; all weights are
// finite. Ranges may be packed in parallel.
void kv_linear_round_rows(const float *source, size_t row_stride, size_t rows, size_t columns, float limit,
                          size_t tile_begin, size_t tile_end, void *packed);

// Writes the `columns` weights of one row as float32.
void kv_linear_unpack_row(const kv_linear_weight *weight, size_t row, float *values);

// The kernels of one instruction set. For a given token the result is bit-identical whatever the number of tokens and
// the range of tiles of the call; instruction sets differ from one another by the rounding of float32 additions only.
typedef struct {
    // Rounds `columns` activations, a multiple of 32, to 8 bits: scale = max|x| / 127 per 32, to nearest even.
    // Identical on every instruction set. A group whose largest magnitude is below 2^-119 becomes zero; a group that
    // holds a NaN or an infinity gets the scale NaN, so every output of that token is NaN.
    void (*quantize)(const float *x, size_t columns, kv_activation_group *groups);

    // The same with one scale for all columns, of which there may be any number: max|x| / 127, or limit / 127 if `limit`
    // is not 0, and what is larger than the limit becomes 127 or -127. Zeros fill the last group.
    void (*quantize_token)(const float *x, size_t columns, float limit, kv_activation_group *groups);

    // y[t * y_stride + r] for the rows of the tiles tile_begin..<tile_end, from 8-bit activations (token t starts at
    // activations + t * columns / 32, rounded up). Quantized types only; INT8_ROW takes tokens that `quantize_token`
    // rounded, the others those of `quantize`.
    void (*multiply)(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end,
                     const kv_activation_group *activations, size_t tokens, float *y, size_t y_stride);

    // The same from float32 activations (token t starts at x + t * x_stride), with weights widened to float32.
    // Every type.
    void (*multiply_f32)(const kv_linear_weight *weight, size_t tile_begin, size_t tile_end, const float *x,
                         size_t x_stride, size_t tokens, float *y, size_t y_stride);
} kv_linear_kernels;

// The kernels for `isa`; the generic ones if this build has none for it. Never NULL.
// The caller makes sure that the machine executes `isa`.
const kv_linear_kernels *kv_linear_kernels_for(kv_isa isa);

#endif
