// Cached keys and values as indices of learned centroids, one for each group of neighbouring channels of a head.
//
//     part: [kv head][group][64 tokens], `bits` bits each, one little-endian bit stream for each group
//
// A group's stream of 64 codes takes 8 * bits bytes; token t's code starts at bit t * bits. With 8 bits it is a byte for
// each token.
//
// Keys of models with rotary embedding are coded as they were before it. Position p of page n turns a pair of channels by
// the angle of the page's first position and by that of p % 64: queries are turned back by the former, once for each page,
// and decoded keys on by the latter, so that the cosines and sines of 64 positions serve every page.
#ifndef KV_COUPLED_H
#define KV_COUPLED_H

#include <stdbool.h>

#include "kv_isa.h"
#include "kv_pages.h"

// The largest head the kernels keep a tile of on the stack.
#define KV_COUPLED_MAX_HEAD 512

typedef struct {
    kv_heads heads;     // head_size is at most KV_COUPLED_MAX_HEAD, a multiple of channels
    uint32_t channels;  // of a group, 1 to 16
    uint32_t bits;      // of a code, 4 to 12

    // The centroids of all groups, fp16, in the two orders that lookup and encoding want. `padded` is the power of two from
    // 2 on that holds `channels`; what is beyond them is zero.
    const uint16_t *rows;      // [kv head][group][centroid][padded]
    const uint16_t *columns;   // [kv head][group][channel][centroid]
    const float *half_norms;   // [kv head][group][centroid]: half the squared length

    // Derived from the above by kv_coupled_format_resolve.
    uint32_t groups;     // of a head
    uint32_t padded;
    size_t group_bytes;  // codes of one group in a page
    size_t part_bytes;
} kv_coupled_format;

// How channels of a head are turned by position; no pairs where they are not.
typedef struct {
    uint32_t pairs;
    bool halves;          // pair i is channels i and i + pairs; else 2i and 2i + 1
    const float *within;  // [pair][cosines of positions 0...63, their sines]
    const float *pages;   // [page][cosines of the page's first position for all pairs, their sines]
} kv_coupled_turns;

// Fills in the derived fields.
void kv_coupled_format_resolve(kv_coupled_format *format);

// The first and the second channel of a pair.
static inline uint32_t kv_coupled_first(const kv_coupled_turns *turns, uint32_t pair) {
    return turns->halves ? pair : 2 * pair;
}
static inline uint32_t kv_coupled_second(const kv_coupled_turns *turns, uint32_t pair) {
    return turns->halves ? pair + turns->pairs : 2 * pair + 1;
}

// Turns all heads of a vector to `position`, or back from it.
void kv_coupled_turn(const kv_coupled_turns *turns, kv_heads heads, size_t position, bool back, float *vector);

// NaN as zero, and everything else within the range of fp16.
void kv_coupled_sanitise(float *vector, size_t count);

// Reads one token's centroids, keys not turned.
void kv_coupled_decode(const kv_coupled_format *format, const void *part, size_t slot, float *vector);

// Writes and reads codes of `bits` bits, at index `slot` of a bit stream.
void kv_coupled_put(uint8_t *stream, uint32_t bits, size_t slot, uint32_t code);
uint32_t kv_coupled_get(const uint8_t *stream, uint32_t bits, size_t slot);

// All functions: a row's result depends neither on the other rows nor on how a run is cut between pages, and the codes
// are the same on every machine.
typedef struct {
    // Stores the index of the nearest centroid of every group, the lowest of those equally near; the vector is finite.
    void (*encode)(const kv_coupled_format *format, const float *vector, size_t slot, void *part);
    // As in kv_dense.h, `position` being that of the run's first token. Queries are head_size floats each, in
    // the order kv_coupled_arrange gives them.
    void (*score)(const kv_coupled_format *format, const kv_coupled_turns *turns, const kv_run *keys, size_t position,
                  uint32_t head, const float *queries, size_t rows, float *scores, size_t stride);
    // The products of a query of one head with all centroids, in the form score_products adds up: it takes as many floats as
    // there are centroids in a head.
    void (*products)(const kv_coupled_format *format, uint32_t head, const float *query, float factor, float *products);
    void (*score_products)(const kv_coupled_format *format, const kv_run *keys, uint32_t head, const float *products,
                           size_t rows, float *scores, size_t stride);
    void (*mix)(const kv_coupled_format *format, const kv_run *values, uint32_t head, const float *weights, size_t rows,
                size_t stride, float *out);
} kv_coupled_kernels;

const kv_coupled_kernels *kv_coupled_kernels_for(kv_isa isa);

// A query times `factor`: the two channels of each pair in turn, then the channels that do not turn.
void kv_coupled_arrange(const kv_coupled_turns *turns, const float *query, size_t head_size, float factor, float *arranged);

#endif
