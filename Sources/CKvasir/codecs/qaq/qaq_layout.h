// Where the numbers of a unit and the planes of a head lie.
#ifndef KV_QAQ_LAYOUT_H
#define KV_QAQ_LAYOUT_H

#include <string.h>

#include "kv_half.h"
#include "kv_qaq.h"

static inline size_t kv_qaq_place(size_t unit, size_t slot) { return unit * KV_PAGE_TOKENS + slot; }

static inline uint8_t *kv_qaq_planes(const kv_qaq_format *format, const void *part) {
    uint8_t *planes = ((const kv_qaq_header *)part)->planes;
    return planes ? planes : (uint8_t *)part + format->fixed_bytes;
}

// How far before its place among planes that are all there a head's first plane lies.
static inline uint32_t *kv_qaq_saved(const kv_qaq_format *format, const void *part) {
    return (uint32_t *)((uint8_t *)part + format->saved_at);
}

static inline size_t kv_qaq_head_bytes(const kv_qaq_format *format) {
    return (size_t)format->max_bits * KV_PAGE_TOKENS * format->word_bytes;
}

static inline uint8_t *kv_qaq_head_planes(const kv_qaq_format *format, const void *part, size_t head) {
    return kv_qaq_planes(format, part) + head * kv_qaq_head_bytes(format) - kv_qaq_saved(format, part)[head];
}

static inline uint16_t *kv_qaq_least(const kv_qaq_format *format, const void *part, size_t unit) {
    return (uint16_t *)((uint8_t *)part + format->least_at) + unit * KV_PAGE_TOKENS;
}

static inline uint16_t *kv_qaq_largest(const kv_qaq_format *format, const void *part, size_t unit) {
    return (uint16_t *)((uint8_t *)part + format->largest_at) + unit * KV_PAGE_TOKENS;
}

static inline uint8_t *kv_qaq_dropped(const kv_qaq_format *format, const void *part, size_t unit) {
    return (uint8_t *)part + format->dropped_at + unit * KV_PAGE_TOKENS / 2;
}

static inline uint16_t *kv_qaq_values(const kv_qaq_format *format, const void *part, size_t unit, size_t slot) {
    return (uint16_t *)((uint8_t *)part + format->values_at) + kv_qaq_place(unit, slot) * format->outliers;
}

static inline uint8_t *kv_qaq_indices(const kv_qaq_format *format, const void *part, size_t unit, size_t slot) {
    return (uint8_t *)part + format->indices_at + kv_qaq_place(unit, slot) * format->outliers * format->index_bytes;
}

static inline size_t kv_qaq_index(const kv_qaq_format *format, const uint8_t *indices, size_t i) {
    return format->index_bytes == 1 ? indices[i] : ((const uint16_t *)indices)[i];
}

// The planes of one head of a page, token by token.
typedef struct {
    const uint8_t *words[KV_QAQ_MAX_BITS];  // of the next token that has the plane
    uint8_t bits[KV_PAGE_TOKENS];
} kv_qaq_cursor;

static inline __attribute__((always_inline)) kv_qaq_cursor kv_qaq_open(const kv_qaq_format *format, const void *part,
                                                                       size_t head) {
    kv_qaq_cursor cursor;
    const uint8_t *dropped = kv_qaq_dropped(format, part, head / format->heads_per_unit);
    const uint8_t most = (uint8_t)format->max_bits;
    for (size_t i = 0; i < KV_PAGE_TOKENS / 2; i++) {
        cursor.bits[2 * i] = (uint8_t)(most - (dropped[i] & 15));
        cursor.bits[2 * i + 1] = (uint8_t)(most - (dropped[i] >> 4));
    }
    const uint8_t *words = kv_qaq_head_planes(format, part, head);
    for (unsigned plane = 0; plane < KV_QAQ_MAX_BITS; plane++) {
        unsigned count = 0;
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) count += cursor.bits[slot] > plane;
        cursor.words[plane] = words;
        words += (size_t)count * format->word_bytes;
    }
    return cursor;
}

#if defined(__x86_64__)
extern const kv_qaq_kernels kv_qaq_avx2, kv_qaq_avx512;
#elif defined(__aarch64__)
extern const kv_qaq_kernels kv_qaq_neon;
#endif

#endif
