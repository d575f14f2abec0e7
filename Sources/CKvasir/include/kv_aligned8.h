// Cached keys and values as 8-bit midpoint codes in nested planes of 2 bits, of which kernels read as many as matter.
//
// A unit is what is read at one width and has a range of its own: the 64 tokens of a channel for keys, the channels of a
// token for values. Of every head of a page part:
//
//     4 x ([unit][lanes / 4] two bits of every code, upper ones first), [unit] least values, [unit] largest values
//
// A byte of a plane holds two bits of four lanes: of every 16 lanes byte i those of lane i in its lowest bits, then of lanes
// 4 + i, 8 + i and 12 + i. Least and largest are fp16, rounded away from the range. A code of which b bits are
// read stands for the middle of the 2^-b of the range that begin with them.
#ifndef KV_ALIGNED8_H
#define KV_ALIGNED8_H

#include "kv_aligned.h"
#include "kv_isa.h"
#include "kv_pages.h"

// Lanes that share the bytes of a plane.
#define KV_ALIGNED8_LANES 64

// Widths by code: 2, 4, 6 and 8 bits.
#define KV_ALIGNED8_WIDTHS 4

typedef struct {
    kv_heads heads;
    // A unit whose largest term is more than this share of the largest of all is read whole, one of more than a quarter of
    // it at 6 bits, of a sixteenth at 4.
    float whole;

    // Derived from the above.
    uint32_t units, lanes;                  // of a head
    uint32_t plane_bytes;                   // of one plane of a head
    uint32_t least_at, largest_at;          // in a head's bytes
    uint32_t head_bytes;                    // a multiple of 64
} kv_aligned8_format;

// Fills in the derived fields. A head of values has a multiple of KV_ALIGNED8_LANES lanes, the last of them unused where
// the head size is none.
void kv_aligned8_resolve_keys(kv_aligned8_format *format);
void kv_aligned8_resolve_values(kv_aligned8_format *format);

// Stores the vectors of a page's 64 tokens, or one token's vector at `slot`. What is beyond the range of fp16 is stored as
// its largest, NaN as zero.
void kv_aligned8_encode_keys(const kv_aligned8_format *format, const float *vectors, void *part);
void kv_aligned8_encode_values(const kv_aligned8_format *format, const float *vector, size_t slot, void *part);

// Reads one token's vector back whole.
void kv_aligned8_decode_keys(const kv_aligned8_format *format, const void *part, size_t slot, float *vector);
void kv_aligned8_decode_values(const kv_aligned8_format *format, const void *part, size_t slot, float *vector);

// Bytes of one prepared query: factor x query, its channels' shares, and what it sees.
size_t kv_aligned8_query_bytes(const kv_aligned8_format *format);

// Prepares a query that reads all bits of everything.
void kv_aligned8_prepare(const kv_aligned8_format *format, const float *query, float factor, void *prepared);

// How a row reads values.
typedef struct {
    float inverse;   // of its largest product of weight and range
    uint32_t limit;  // tokens its token sees, counted from position 0
    uint32_t token;
} kv_aligned8_choice;

// All functions as in kv_dense.h; `first` is the position of the run's first token. `read[code]` is increased by the values
// that query tokens read at a width; it may be null.
typedef struct {
    // Chooses how the prepared queries of a tile read keys of the pages before their own token's: the more of a channel
    // the larger its products beside the largest of all. All rows of a token read a channel at the largest width any of
    // them needs. `context` starts at the page of position `first`. Returns for how many units ranges were read.
    size_t (*choose_keys)(const kv_aligned8_format *format, const kv_run *context, size_t first, kv_aligned_tile tile,
                          void *prepared);
    void (*score)(const kv_aligned8_format *format, const kv_run *keys, size_t first, uint32_t head, const void *queries,
                  size_t rows, float *scores, size_t stride, uint64_t read[KV_ALIGNED8_WIDTHS]);
    // The same for values, from the weights of the whole context.
    size_t (*choose_values)(const kv_aligned8_format *format, const kv_run *context, size_t first, kv_aligned_tile tile,
                            const float *weights, size_t stride, kv_aligned8_choice *choices);
    // `choices` of every row, or null to read all bits.
    void (*mix)(const kv_aligned8_format *format, const kv_run *values, size_t first, uint32_t head,
                const float *weights, size_t rows, size_t stride, const kv_aligned8_choice *choices, float *out,
                uint64_t read[KV_ALIGNED8_WIDTHS]);
} kv_aligned8_kernels;

const kv_aligned8_kernels *kv_aligned8_kernels_for(kv_isa isa);

#endif
