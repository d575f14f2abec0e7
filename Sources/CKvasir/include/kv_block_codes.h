// Cache codecs that store a code of 1 to 8 bits per value and one scale per block of a token's vector.
//
// A block is `block` consecutive values of the vector of all KV heads (the last one may be shorter); blocks may span
// heads. value = levels[code] * scale(token, block) + offset(token, block), the offset only where the format has one; at
// 8 bits the code is the level itself, as a signed integer.
//
// Codes lie in panels of 16 lanes x 4 codes, so that an unpacked panel is what one integer dot product consumes: in the
// key part the lanes are tokens and the four are channels, in the value part the lanes are channels and the four tokens.
//
//     key part:   [kv head][tile of 16 tokens][panel of 4 channels], then scales, then offsets
//     value part: [kv head][16 channels][panel of 4 tokens], then scales, then offsets
//     scales, offsets: [block][64 tokens], fp16 or fp32
//
// The upper 8, 4 or 2 bits of codes are fields of 64-byte vectors: byte 4 * lane + depth of a vector holds that code of 1,
// 2 or 4 consecutive panels, the first in its lowest bits. Widths of 1, 3 and 5 bits have one bit more, in a plane of its
// own behind the other codes of the head: one 64-bit word per panel, bit 4 * lane + depth, the most significant bit of
// the code. So a width costs what it says, and any multiple of 16 channels fits.
#ifndef KV_BLOCK_CODES_H
#define KV_BLOCK_CODES_H

#include <stdbool.h>

#include "kv_isa.h"
#include "kv_pages.h"

typedef struct kv_block_format kv_block_format;

// Finds the codes of one block: `count` codes in a byte each, and the scale and offset as they are to be stored (they
// survive kv_block_round_scale unchanged). Depends on the block alone.
typedef void (*kv_block_quantizer)(const kv_block_format *format, const float *values, size_t count, uint8_t *codes,
                                   float *scale, float *offset);

// How the codes of a block are found. All take NaN as zero, and nothing that is not finite reaches a scale.
typedef enum {
    // Codebooks of 2 to 4 bits whose largest level is 1: the scale is the largest magnitude, rounded up.
    KV_QUANTIZE_ABSMAX,
    // Codebooks of 1 to 4 bits symmetric about zero: levels are assigned by the scale with the least squared error, found
    // in a few steps from `reach` times the root mean square on. What is stored is the scale with which the block's dot
    // product with its decoded form is that with itself: the former shrinks every block, the latter none. A block of
    // levels times a scale is kept as it is.
    KV_QUANTIZE_FITTED,
    // The following find codes and scales as ggml's reference quantizers do.
    KV_QUANTIZE_ROUNDED_INTEGERS,        // q8_0: the largest magnitude is 127
    KV_QUANTIZE_SIGNED_ABSMAX,           // q4_0, q5_0: the value of the largest magnitude is the lowest level
    KV_QUANTIZE_MINIMUM_AND_RANGE,       // q4_1, q5_1: the smallest value is code 0, the largest the last code
    KV_QUANTIZE_WEIGHTED_LEAST_SQUARES,  // iq4_nl: as SIGNED_ABSMAX, then the scale with the least squares
    // Integer levels from 0, with offsets: as MINIMUM_AND_RANGE, but codes are found with scale and offset as they are
    // stored, halves to even.
    KV_QUANTIZE_STORED_RANGE,
    KV_QUANTIZERS,
} kv_quantization;

struct kv_block_format {
    kv_heads heads;      // head_size is a multiple of 16
    uint32_t block;      // a multiple of 32, or the head size, or the whole width
    uint32_t bits;       // 1, 2, 3, 4, 5 or 8
    bool has_offsets;
    bool wide_scales;    // fp32 in place of fp16
    bool signed_scales;  // scales may be negative
    bool adds_pairs;     // scores are added to what is there, of two queries a row: row and row + rows
    uint32_t zero_code;  // stored where the input is NaN or the whole block is zero
    kv_block_quantizer quantize;
    // Up to 5 bits: ascending levels; a value above thresholds[i] (of the scaled block) takes a code above i. At 5 bits
    // the levels are consecutive integers.
    float levels[32];
    float thresholds[32];
    int8_t level_codes[16];  // up to 4 bits: level_codes[i] * level_unit is close to levels[i]
    float level_unit;
    float reach;  // the largest level in standard deviations of a block: where a fitted scale starts

    // Derived from the above by kv_block_format_resolve.
    uint32_t blocks;     // scales per token
    uint32_t unit;       // channels that share a query scale: 32, or 16
    size_t head_bytes;   // codes of one head
    size_t plane_bytes;  // of them, those before the plane of single bits
    size_t scales_at, offsets_at;
    size_t part_bytes;
    size_t query_bytes;
    uint16_t level_bf16[32];  // levels as bfloat16, repeated to fill the table
};

// Fills in the derived fields.
void kv_block_format_resolve(kv_block_format *format);

// Rounds a number to the type of the format's scales, to nearest; values beyond its range become its largest. The second
// form rounds the magnitude up, so that nothing divided by it leaves [-1, 1].
float kv_block_round_scale(const kv_block_format *format, float value);
float kv_block_round_scale_up(const kv_block_format *format, float magnitude);

// The quantizer compiled for an instruction set: the same bytes on all.
kv_block_quantizer kv_block_quantizer_for(kv_isa isa, kv_quantization quantization);

// Stores one token's vector at `slot` of a page part. NaN is stored as zero; infinities and values beyond the range of
// the scales as the largest that they hold.
void kv_block_encode_keys(const kv_block_format *format, const float *vector, size_t slot, void *part);
void kv_block_encode_values(const kv_block_format *format, const float *vector, size_t slot, void *part);
void kv_block_decode_keys(const kv_block_format *format, const void *part, size_t slot, float *vector);
void kv_block_decode_values(const kv_block_format *format, const void *part, size_t slot, float *vector);

// Reads the codes of one token, in a byte each, and the bits of one of its numbers (fp16 in the lower half).
void kv_block_key_codes(const kv_block_format *format, const void *part, size_t slot, uint8_t *codes);
void kv_block_value_codes(const kv_block_format *format, const void *part, size_t slot, uint8_t *codes);
uint32_t kv_block_scale_bits(const kv_block_format *format, const void *part, size_t block, size_t slot);
uint32_t kv_block_offset_bits(const kv_block_format *format, const void *part, size_t block, size_t slot);

// Brings a query of one head into the form the score kernels take: floats for the plain row, and 8-bit codes with one
// scale per unit for the others. `prepared` has format->query_bytes bytes.
void kv_block_prepare_query(const kv_block_format *format, const float *query, float factor, void *prepared);

// Reads a prepared query as the 8-bit kernels take it: codes times scales.
void kv_block_rounded_query(const kv_block_format *format, const void *prepared, float *query);

// As in kv_dense.h: a row's result depends neither on the other rows nor on how a run is cut between pages.
typedef void (*kv_block_score)(const kv_block_format *format, const kv_run *keys, uint32_t head, const void *queries,
                               size_t rows, float *scores, size_t stride);
// Weights are not negative, and zero from the end of the run to the end of its last page.
typedef void (*kv_block_mix)(const kv_block_format *format, const kv_run *values, uint32_t head, const float *weights,
                             size_t rows, size_t stride, float *out);

typedef struct {
    kv_block_score score;
    kv_block_mix mix;
} kv_block_kernels;

// The kernels for codes of `bits` bits; on AVX-512 those for bfloat16 where the processor has them.
kv_block_kernels kv_block_kernels_for(kv_isa isa, uint32_t bits);

#endif
