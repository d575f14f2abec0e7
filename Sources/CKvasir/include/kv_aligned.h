// Cached keys and values as fp16 words in planes of 8, 4 and 4 bits, of which kernels read as many as matter.
//
// A unit is what is read at one width: the 64 tokens of a channel for keys, the channels of a token for values. Of every
// head of a page part:
//
//     [unit][lanes] bits 15..8, [unit][lanes / 2] bits 7..4, [unit][lanes / 2] bits 3..0, [channel] largest exponents
//
// In the planes of 4 bits a byte holds two lanes of a group of 32: lane i in its low half and lane 16 + i in its high half.
// Bits that are not read are taken as half of their range.
#ifndef KV_ALIGNED_H
#define KV_ALIGNED_H

#include <stdbool.h>

#include "kv_isa.h"
#include "kv_pages.h"

// Lanes that share the bytes of a plane of 4 bits.
#define KV_ALIGNED_LANES 32

// Widths by code: 0 is 8 bits, 1 is 12, 2 is 16.
#define KV_ALIGNED_WIDTHS 3

typedef struct {
    kv_heads heads;
    uint32_t twelve, eight;  // exponent steps below which 16 bits are read, and below which 12 are
    bool is_fractional;      // values: steps are counted with the fraction of the weight, as the authors' kernel does
    bool counts_addends;     // values: fewer steps the more tokens are added up

    // Derived from the above.
    uint32_t units, lanes;                     // of a head
    uint32_t middle_at, last_at, maxima_at;    // in a head's bytes
    uint32_t head_bytes;                       // a multiple of 64
} kv_aligned_format;

// Fills in the derived fields. A head of values has a multiple of KV_ALIGNED_LANES lanes, the last of them unused where
// the head size is none.
void kv_aligned_resolve_keys(kv_aligned_format *format);
void kv_aligned_resolve_values(kv_aligned_format *format);

// Stores one token's vector at `slot` of a page part, or reads it back whole. What is beyond the range of fp16 is stored
// as its largest, NaN as zero. The largest exponents are those of the page once its last slot is stored.
void kv_aligned_encode_keys(const kv_aligned_format *format, const float *vector, size_t slot, void *part);
void kv_aligned_decode_keys(const kv_aligned_format *format, const void *part, size_t slot, float *vector);
void kv_aligned_encode_values(const kv_aligned_format *format, const float *vector, size_t slot, void *part);
void kv_aligned_decode_values(const kv_aligned_format *format, const void *part, size_t slot, float *vector);

// What rows of a tile see: row r belongs to query token r / group, which lies at position + r / group.
typedef struct {
    size_t rows, group, position;
    uint32_t head;
} kv_aligned_tile;

// Bytes of one prepared query: factor x query, a code per channel, an exponent per channel, limit and token.
size_t kv_aligned_query_bytes(const kv_aligned_format *format);

// Prepares a query that reads all bits of everything.
void kv_aligned_prepare(const kv_aligned_format *format, const float *query, float factor, void *prepared);

// Chooses the widths of channels for the prepared queries of a tile, for pages that are full at their position: 16 bits
// where query and largest key give the largest product, fewer the smaller the channel's product is beside it. All rows of
// a token read a channel at the largest width any of them needs.
//
// `context` starts at the page of position `first`; `read[code]` is increased by the values the tokens read at a width.
void kv_aligned_choose_keys(const kv_aligned_format *format, const kv_run *context, size_t first, kv_aligned_tile tile,
                            void *prepared, uint64_t read[KV_ALIGNED_WIDTHS]);

// From which weight on a row reads 12 and 16 bits, in pages that are full at its token's position.
typedef struct {
    float twelve, sixteen;
    uint32_t limit;  // tokens its token sees, counted from position 0
    uint32_t token;
} kv_aligned_choice;

// All functions as in kv_dense.h; `first` is the position of the run's first token.
typedef struct {
    void (*score)(const kv_aligned_format *format, const kv_run *keys, size_t first, uint32_t head, const void *queries,
                  size_t rows, float *scores, size_t stride);
    // Chooses widths from the weights of the whole context: the size of the output is estimated from the heaviest token of
    // each of 32 classes, read at 8 bits. Weights are divided by the row's total. `estimate` is increased by the values
    // that were read for it.
    void (*choose_values)(const kv_aligned_format *format, const kv_run *context, size_t first, kv_aligned_tile tile,
                          const float *weights, size_t stride, const float *totals, kv_aligned_choice *choices,
                          uint64_t *estimate);
    // `choices` of every row, or null to read all bits; `read` as above, or null.
    void (*mix)(const kv_aligned_format *format, const kv_run *values, size_t first, uint32_t head, const float *weights,
                size_t rows, size_t stride, const kv_aligned_choice *choices, float *out,
                uint64_t read[KV_ALIGNED_WIDTHS]);
} kv_aligned_kernels;

const kv_aligned_kernels *kv_aligned_kernels_for(kv_isa isa);

#endif
