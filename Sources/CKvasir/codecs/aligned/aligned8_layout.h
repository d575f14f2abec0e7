// Where planes and ranges lie, how a code is read at a width, and how shares become widths; see kv_aligned8.h for the picture.
#ifndef KV_ALIGNED8_LAYOUT_H
#define KV_ALIGNED8_LAYOUT_H

#include <math.h>
#include <string.h>

#include "kv_aligned8.h"
#include "kv_half.h"

#define KV_ALIGNED8_WHOLE (KV_ALIGNED8_WIDTHS - 1)

// One head in one page.
typedef struct {
    const uint8_t *planes;
    const uint16_t *least, *largest;
} kv_aligned8_head;

static inline kv_aligned8_head kv_aligned8_head_at(const kv_aligned8_format *format, const uint8_t *part,
                                                   uint32_t head) {
    const uint8_t *base = part + (size_t)head * format->head_bytes;
    return (kv_aligned8_head){base, (const uint16_t *)(const void *)(base + format->least_at),
                              (const uint16_t *)(const void *)(base + format->largest_at)};
}

static inline kv_aligned8_head kv_aligned8_head_of(const kv_aligned8_format *format, const kv_run *run, size_t page,
                                                   uint32_t head) {
    return kv_aligned8_head_at(format, kv_run_part(run, page), head);
}

// The byte of a unit's bytes in a plane, and by how much its two bits are shifted.
static inline size_t kv_aligned8_byte(size_t lane) {
    return lane / KV_ALIGNED8_LANES * 16 + lane % KV_ALIGNED8_LANES / 16 * 4 + lane % 4;
}
static inline unsigned kv_aligned8_shift(size_t lane) { return (unsigned)(lane / 4 % 4) * 2; }

// How far from the middle of the range a code lies that is read at a width, in 256ths of the range.
static inline float kv_aligned8_read(const kv_aligned8_format *format, kv_aligned8_head head, size_t unit, size_t lane,
                                     unsigned width) {
    const size_t at = unit * format->lanes / 4 + kv_aligned8_byte(lane);
    const unsigned shift = kv_aligned8_shift(lane);
    unsigned code = 0;
    for (unsigned plane = 0; plane <= width; plane++)
        code |= (head.planes[plane * format->plane_bytes + at] >> shift & 3u) << (6 - 2 * plane);
    return (float)code + (float)(1u << (6 - 2 * width)) * 0.5f - 128;
}

static inline float kv_aligned8_middle(kv_aligned8_head head, size_t unit) {
    return (kv_f16_to_f32(head.largest[unit]) + kv_f16_to_f32(head.least[unit])) * 0.5f;
}

static inline float kv_aligned8_range(kv_aligned8_head head, size_t unit) {
    return kv_f16_to_f32(head.largest[unit]) - kv_f16_to_f32(head.least[unit]);
}

// The width of a unit by the share that its largest term has of the largest of all.
static inline uint8_t kv_aligned8_width(const kv_aligned8_format *format, float share) {
    return (uint8_t)((share > format->whole) + (share > format->whole * 0.25f) + (share > format->whole * 0.0625f));
}

// Behind the query's floats: the share of a channel's unit of range 1 in the largest product, per channel, then this.
typedef struct {
    uint32_t limit;  // tokens the query's token sees, counted from position 0; all of them whole if 0
    uint32_t token;
} kv_aligned8_query_state;

static inline float *kv_aligned8_shares(const kv_aligned8_format *format, void *query) {
    return (float *)query + format->heads.head_size;
}

static inline kv_aligned8_query_state *kv_aligned8_state(const kv_aligned8_format *format, void *query) {
    return (kv_aligned8_query_state *)(void *)((float *)query + 2 * format->heads.head_size);
}

// Pages of a run before that of the last token of `limit`: its own is read from copies.
static inline size_t kv_aligned8_pages_before(size_t first, size_t limit) {
    return limit > first ? (limit - 1 - first) / KV_PAGE_TOKENS : 0;
}

static inline float kv_aligned8_inverse(float largest) { return largest > 0 ? 1 / largest : 0; }

// The shares of the channels of one query token's rows, all heads of the group, from the largest ranges of the channels.
static inline void kv_aligned8_share(const kv_aligned8_format *format, uint8_t *queries, size_t group,
                                     const float *ranges) {
    const size_t channels = format->heads.head_size, bytes = kv_aligned8_query_bytes(format);
    float *shares = kv_aligned8_shares(format, queries);
    memset(shares, 0, channels * sizeof *shares);
    for (size_t member = 0; member < group; member++) {
        const float *query = (const float *)(const void *)(queries + member * bytes);
        float largest = 0;
        for (size_t channel = 0; channel < channels; channel++) {
            const float product = fabsf(query[channel]) * ranges[channel];
            largest = product > largest ? product : largest;
        }
        const float inverse = kv_aligned8_inverse(largest);
        for (size_t channel = 0; channel < channels; channel++) {
            const float share = fabsf(query[channel]) * inverse;
            shares[channel] = share > shares[channel] ? share : shares[channel];
        }
    }
    for (size_t member = 1; member < group; member++)
        memcpy(kv_aligned8_shares(format, queries + member * bytes), shares, channels * sizeof *shares);
}

extern const kv_aligned8_kernels kv_aligned8_kernels_generic;
#if defined(__x86_64__)
extern const kv_aligned8_kernels kv_aligned8_kernels_avx2, kv_aligned8_kernels_avx512;
#elif defined(__aarch64__)
extern const kv_aligned8_kernels kv_aligned8_kernels_neon;
#endif

#endif
