// Cached vectors as bit-planes of a midpoint quantizer, each token with as many planes as it needs.
//
// A unit is one head of a token, or all heads of it. Of its values the least and the largest few are kept as fp16 with
// their channels; the others are cut into 2^bits cells of the range they span:
//
//     index = floor((x - min) / (max - min) * 2^bits),   x' = min + (max - min) * (index + 1/2) / 2^bits
//
// The index of fewer bits is that of more without its last ones, so that dropping a plane is all it takes.
//
//     part: header, [unit][slot] least as fp16, [unit][slot] largest as fp16, [unit][slot] planes dropped (4 bits each),
//           [unit][slot][outlier] fp16, [unit][slot][outlier] channel in the unit (1 byte, or 2 in units above 256)
//     planes: [kv head][plane, most significant first][token that has it, in order][head size / 8 bytes]
//
// Planes lie where the header says, or behind the rest of the part if it says nothing. A part of zeros is an empty one:
// every slot has all planes.
#ifndef KV_QAQ_H
#define KV_QAQ_H

#include "kv_isa.h"
#include "kv_pages.h"

// The most planes of a token.
#define KV_QAQ_MAX_BITS 8
// The largest head: kernels keep tiles of decoded tokens on the stack.
#define KV_QAQ_MAX_HEAD 256

typedef struct {
    kv_heads heads;           // head_size is a multiple of 16
    uint32_t heads_per_unit;  // 1, or all KV heads
    uint32_t max_bits;        // 1 to KV_QAQ_MAX_BITS
    uint32_t low_outliers;    // the least values of a unit that are kept as fp16
    uint32_t high_outliers;   // the largest

    // Derived from the above by kv_qaq_format_resolve.
    uint32_t units, unit_size, outliers, index_bytes;
    uint32_t word_bytes;   // one plane of one head of a token
    size_t saved_at, least_at, largest_at, dropped_at, values_at, indices_at;
    size_t fixed_bytes;    // all of the part but planes
    size_t planes_bytes;   // planes where every slot has all of them
} kv_qaq_format;

// Where a part begins.
typedef struct {
    uint8_t *planes;  // null: they follow the part
    void *copies;     // nothing, or the vectors as fp16
} kv_qaq_header;

// Fills in the derived fields.
void kv_qaq_format_resolve(kv_qaq_format *format);

// Stores one token's vector at `slot`, whose planes are all there. NaN is stored as zero, and what is beyond the range of
// fp16 as its largest. The same bytes on every machine.
void kv_qaq_encode(const kv_qaq_format *format, const float *vector, size_t slot, void *part);
void kv_qaq_decode(const kv_qaq_format *format, const void *part, size_t slot, float *vector);

// Planes a unit of a token has, and the range of its values without outliers.
uint32_t kv_qaq_bits(const kv_qaq_format *format, const void *part, size_t unit, size_t slot);
float kv_qaq_range(const kv_qaq_format *format, const void *part, size_t unit, size_t slot);

// Bytes of planes where tokens have `bits[unit * KV_PAGE_TOKENS + slot]` of them.
size_t kv_qaq_planes_bytes(const kv_qaq_format *format, const uint8_t *bits);

// Drops planes in place, none of them anew: afterwards the first kv_qaq_planes_bytes bytes are in use.
void kv_qaq_drop(const kv_qaq_format *format, const uint8_t *bits, void *part);

// Takes the planes that `bits` says from `all`, where every slot has all of them, to `planes`, which the part then refers to.
void kv_qaq_gather(const kv_qaq_format *format, const uint8_t *bits, const uint8_t *all, uint8_t *planes, void *part);

// Stores the planes of the vectors `copies` (64 x width, fp16), whose numbers the part has already, as if every slot had all.
void kv_qaq_planes_of_copies(const kv_qaq_format *format, const uint16_t *copies, const void *part, uint8_t *planes);

// Takes over what of factor * weights is larger than what was noted before, as fp16.
void kv_qaq_note_weights(uint16_t *most, const float *weights, size_t count, float factor);

typedef struct {
    // As in kv_dense.h: a row's result depends neither on the other rows nor on how a run is cut between pages.
    void (*score)(const kv_qaq_format *format, const kv_run *keys, uint32_t head, const float *queries, size_t rows,
                  float *scores, size_t stride);
    void (*mix)(const kv_qaq_format *format, const kv_run *values, uint32_t head, const float *weights, size_t rows,
                size_t stride, float *out);
} kv_qaq_kernels;

const kv_qaq_kernels *kv_qaq_kernels_for(kv_isa isa);

#endif
