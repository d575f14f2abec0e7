// Cache codec with 4-bit indices into a table of 16 levels and one fp16 scale per block of a token's vector.
//
// A block is `block` consecutive values of the vector of all KV heads (the last one may be shorter); blocks may span
// heads. value = levels[index] * scale(token, block).
//
// Key part of a page:   [kv head][tile of 16 tokens][8 channels] x 64 bytes, then scales
//     byte (token in tile * 4 + channel % 4): channels 0-3 of the eight in the low nibbles, 4-7 in the high ones
// Value part of a page: [kv head][16 channels][8 tokens] x 64 bytes, then scales
//     byte (channel in 16 * 4 + token % 4): tokens 0-3 of the eight in the low nibbles, 4-7 in the high ones
// Scales: [block][64 tokens], fp16
//
// One 64-byte vector therefore holds, per nibble, 16 lanes of 4 values: what one integer dot product consumes.
#ifndef KV_CODEBOOK4_H
#define KV_CODEBOOK4_H

#include "kv_isa.h"
#include "kv_pages.h"

typedef struct {
    kv_heads heads;       // head_size is a multiple of 16
    uint32_t block;       // a multiple of 32, or the whole width
    uint32_t blocks;      // scales per token
    uint32_t zero_index;  // the index of level 0, stored where the input is NaN or the whole block is zero
    float levels[16];     // ascending
    float thresholds[15]; // a value above thresholds[i] takes an index above i
    int8_t level_codes[16];
    float level_unit;     // level_codes[i] * level_unit is close to levels[i]: what the integer kernels use
} kv_codebook4;

size_t kv_codebook4_part_bytes(const kv_codebook4 *codebook);

// Stores one token's vector at `slot` of a page part. NaN is stored as the zero level; infinities and values beyond the
// range of fp16 as 65504 with their sign.
void kv_codebook4_encode_keys(const kv_codebook4 *codebook, const float *vector, size_t slot, void *part);
void kv_codebook4_encode_values(const kv_codebook4 *codebook, const float *vector, size_t slot, void *part);
void kv_codebook4_decode_keys(const kv_codebook4 *codebook, const void *part, size_t slot, float *vector);
void kv_codebook4_decode_values(const kv_codebook4 *codebook, const void *part, size_t slot, float *vector);

// A query of one head as the score kernels take it: the floats for the plain row, and 8-bit codes with one scale per
// 32 channels (16 where the head size is an odd multiple of 16) for the others.
size_t kv_codebook4_query_bytes(const kv_codebook4 *codebook);
void kv_codebook4_prepare_query(const kv_codebook4 *codebook, const float *query, float factor, void *prepared);

// As in kv_dense.h: a row's result depends neither on the other rows nor on how a run is cut between pages.
typedef struct {
    void (*score)(const kv_codebook4 *codebook, const kv_run *keys, uint32_t head, const void *queries, size_t rows,
                  float *scores, size_t stride);
    // Weights are not negative, and zero from the end of the run to the end of its last page.
    void (*mix)(const kv_codebook4 *codebook, const kv_run *values, uint32_t head, const float *weights, size_t rows,
                size_t stride, float *out);
} kv_codebook4_kernels;

const kv_codebook4_kernels *kv_codebook4_kernels_for(kv_isa isa);

#endif
