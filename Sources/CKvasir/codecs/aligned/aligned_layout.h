// Where planes lie, how a word is read at a width, and how weights become widths; see kv_aligned.h for the picture.
#ifndef KV_ALIGNED_LAYOUT_H
#define KV_ALIGNED_LAYOUT_H

#include <math.h>
#include <string.h>

#include "kv_aligned.h"
#include "kv_half.h"

enum { KV_READ_8 = 0, KV_READ_12 = 1, KV_READ_16 = 2 };

#define KV_F16_BIAS 15

// Query tokens whose widths are held at a time.
#define KV_TILE_QUERIES 32

// The planes of one head in one page.
typedef struct {
    const uint8_t *first, *middle, *last, *maxima;
} kv_aligned_planes;

static inline kv_aligned_planes kv_aligned_planes_of(const kv_aligned_format *format, const kv_run *run, size_t page,
                                                     uint32_t head) {
    const uint8_t *base = kv_run_part(run, page) + (size_t)head * format->head_bytes;
    return (kv_aligned_planes){base, base + format->middle_at, base + format->last_at, base + format->maxima_at};
}

// The byte of a plane of 4 bits, and by how much its half is shifted.
static inline size_t kv_aligned_half_at(size_t lane) { return lane / KV_ALIGNED_LANES * 16 + lane % 16; }
static inline unsigned kv_aligned_half_shift(size_t lane) { return (unsigned)(lane / 16 % 2) * 4; }

static inline uint16_t kv_aligned_read(const kv_aligned_format *format, kv_aligned_planes planes, size_t unit,
                                       size_t lane, unsigned code) {
    const size_t half = unit * format->lanes / 2 + kv_aligned_half_at(lane);
    const unsigned shift = kv_aligned_half_shift(lane);
    const unsigned word = (unsigned)planes.first[unit * format->lanes + lane] << 8;
    if (code == KV_READ_8) return (uint16_t)(word | 0x80u);
    const unsigned middle = (planes.middle[half] >> shift & 15u) << 4;
    if (code == KV_READ_12) return (uint16_t)(word | middle | 8u);
    return (uint16_t)(word | middle | (planes.last[half] >> shift & 15u));
}

// The biased exponent of a value as fp16 would have it, without its upper bound.
static inline int kv_aligned_exponent(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const int exponent = (int)(bits >> 23 & 0xffu) - 127 + KV_F16_BIAS;
    return exponent > 0 ? exponent : 0;
}

// Behind the query's floats: a code and an exponent per channel, then these.
typedef struct {
    uint32_t limit;  // tokens the query's token sees, counted from position 0; none of them at fewer bits if 0
    uint32_t token;
} kv_aligned_query_state;

static inline uint8_t *kv_aligned_codes(const kv_aligned_format *format, void *query) {
    return (uint8_t *)query + format->heads.head_size * sizeof(float);
}

static inline uint8_t *kv_aligned_exponents(const kv_aligned_format *format, void *query) {
    return kv_aligned_codes(format, query) + format->heads.head_size;
}

static inline kv_aligned_query_state *kv_aligned_state(const kv_aligned_format *format, void *query) {
    const size_t end = format->heads.head_size * (sizeof(float) + 2);
    return (kv_aligned_query_state *)((uint8_t *)query + (end + 3) / 4 * 4);
}

// The width of a token for the rows [begin, end) that share a query token: the largest that any of them asks for.
static inline uint8_t kv_aligned_value_code(const kv_aligned_choice *choices, const float *weights, size_t begin,
                                            size_t end, size_t stride) {
    unsigned code = KV_READ_8;
    for (size_t row = begin; row < end; row++) {
        const float weight = weights[row * stride];
        const unsigned wanted = (unsigned)(weight >= choices[row].twelve) + (unsigned)(weight >= choices[row].sixteen);
        if (wanted > code) code = wanted;
    }
    return (uint8_t)code;
}

// Where, from the needed alignment on, weights want more bits than those of `steps` exponent steps less.
static inline float kv_aligned_threshold(const kv_aligned_format *format, int alignment, int steps, float total) {
    if (format->is_fractional) {
        // A weight that has this exponent and, as fp16, no fraction is not yet too large; 2^-25 is fp16's zero.
        const int exponent = alignment - steps;
        return exponent < 0    ? 0
               : exponent == 0 ? nextafterf(total * 0x1p-25f, INFINITY)
                               : nextafterf(ldexpf(total + total * 0x1p-11f, exponent - KV_F16_BIAS), INFINITY);
    }
    const int exponent = alignment - steps + 1;  // the least that is too large for fewer bits
    return exponent <= 0 ? 0 : ldexpf(total, exponent - KV_F16_BIAS);
}

// The choice of a row whose output was estimated, from the largest exponents of the values.
static inline kv_aligned_choice kv_aligned_choose(const kv_aligned_format *format, const float *estimate,
                                                  const uint8_t *maxima, size_t tokens, float total, size_t limit,
                                                  size_t token) {
    int alignment = INT32_MAX;
    for (size_t channel = 0; channel < format->heads.head_size; channel++) {
        // One less, because the estimate adds up absolute values.
        const int wanted = kv_aligned_exponent(estimate[channel]) - 1 + KV_F16_BIAS - maxima[channel];
        if (wanted < alignment) alignment = wanted;
    }
    if (format->counts_addends) {
        // Errors of many tokens add up like the root of their number.
        for (size_t many = KV_PAGE_TOKENS; many < tokens; many *= 4) alignment--;
    }
    return (kv_aligned_choice){
        .twelve = kv_aligned_threshold(format, alignment, (int)format->eight, total),
        .sixteen = kv_aligned_threshold(format, alignment, (int)format->twelve, total),
        .limit = (uint32_t)limit, .token = (uint32_t)token};
}

// Pages of a run that are full for a token that sees `limit` tokens.
static inline size_t kv_aligned_full_pages(size_t first, size_t limit) {
    return limit > first ? (limit - first) / KV_PAGE_TOKENS : 0;
}

// Larger ones of two rows of exponents.
static inline void kv_aligned_raise(uint8_t *maxima, const uint8_t *others, size_t count) {
    for (size_t i = 0; i < count; i++) maxima[i] = maxima[i] > others[i] ? maxima[i] : others[i];
}

extern const kv_aligned_kernels kv_aligned_kernels_generic;
#if defined(__x86_64__)
extern const kv_aligned_kernels kv_aligned_kernels_avx2, kv_aligned_kernels_avx512;
#elif defined(__aarch64__)
extern const kv_aligned_kernels kv_aligned_kernels_neon;
#endif

#endif
