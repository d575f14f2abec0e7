// Cached keys as integers of 2 or 4 bits with a scale and a zero per channel and group of tokens.
//
// key = code * scale(group, channel) + zero(group, channel), the zero being the least key of the channel in the group.
//
//     part: [kv head][tile of 16 tokens][panel of 4 channels], then [kv head][group][scales, zeros][channel] as fp16
//
// Codes lie in panels as those of kv_block_codes.h do: byte 4 * token + channel of a 64-byte vector holds that code of
// 2 or 4 consecutive panels, the first in its lowest bits.
#ifndef KV_KIVI_H
#define KV_KIVI_H

#include "kv_isa.h"
#include "kv_pages.h"

typedef struct {
    kv_heads heads;   // head_size is a multiple of 16
    uint32_t bits;    // 2 or 4
    uint32_t group;   // tokens that share a scale and a zero: 16, 32 or 64

    // Derived from the above by kv_kivi_format_resolve.
    uint32_t groups;    // in a page
    size_t tile_bytes;  // codes of one head in 16 tokens
    size_t numbers_at;
    size_t part_bytes;
} kv_kivi_format;

// Fills in the derived fields.
void kv_kivi_format_resolve(kv_kivi_format *format);

// Stores the vectors of `group` tokens, the first at `slot` of a page part. Codes are found with scale and zero as they
// are stored, halves to even. NaN is stored as zero, and what is beyond the range of fp16 as its largest. The same
// bytes on every machine.
void kv_kivi_encode(const kv_kivi_format *format, const float *vectors, size_t slot, void *part);
void kv_kivi_decode(const kv_kivi_format *format, const void *part, size_t slot, float *vector);

// As in kv_dense.h: a row's result depends neither on the other rows nor on how a run is cut between pages. Queries are
// head_size floats each.
typedef void (*kv_kivi_score)(const kv_kivi_format *format, const kv_run *keys, uint32_t head, const float *queries,
                              size_t rows, float *scores, size_t stride);

// The kernel for codes of `bits` bits.
kv_kivi_score kv_kivi_score_for(kv_isa isa, uint32_t bits);

#endif
