// Where codes and centroids lie, and how codes are unpacked.
#ifndef KV_COUPLED_LAYOUT_H
#define KV_COUPLED_LAYOUT_H

#include <string.h>

#include "kv_coupled.h"
#include "kv_half.h"

// Codes are unpacked 8 at a time: `bits` whole bytes.
#define KV_CODES_TOGETHER 8

static inline size_t kv_coupled_group(const kv_coupled_format *format, size_t head, size_t group) {
    return head * format->groups + group;
}

static inline size_t kv_coupled_centroids(const kv_coupled_format *format) { return (size_t)1 << format->bits; }

static inline const uint16_t *kv_coupled_rows(const kv_coupled_format *format, size_t head, size_t group) {
    return format->rows + kv_coupled_group(format, head, group) * kv_coupled_centroids(format) * format->padded;
}

static inline const uint16_t *kv_coupled_columns(const kv_coupled_format *format, size_t head, size_t group) {
    return format->columns + kv_coupled_group(format, head, group) * kv_coupled_centroids(format) * format->channels;
}

static inline const float *kv_coupled_half_norms(const kv_coupled_format *format, size_t head, size_t group) {
    return format->half_norms + kv_coupled_group(format, head, group) * kv_coupled_centroids(format);
}

static inline size_t kv_coupled_codes_at(const kv_coupled_format *format, size_t head, size_t group) {
    return kv_coupled_group(format, head, group) * format->group_bytes;
}

// `bits` is a constant wherever this is called, so that every shift is.
static inline __attribute__((always_inline)) void kv_unpack_eight(const uint8_t *source, unsigned bits, uint16_t *codes) {
    uint64_t low = 0, high = 0;
    memcpy(&low, source, bits < 8 ? bits : 8);
    if (bits > 8) memcpy(&high, source + 8, bits - 8);
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
#pragma clang loop unroll(full)
    for (unsigned i = 0; i < KV_CODES_TOGETHER; i++) {
        const unsigned at = i * bits;
        uint64_t code = at < 64 ? low >> at : high >> (at - 64);
        if (at < 64 && at + bits > 64) code |= high << (64 - at);
        codes[i] = (uint16_t)(code & mask);
    }
}

// Unpacks `count` codes, a multiple of 8, from the first of a whole byte on.
static inline __attribute__((always_inline)) void kv_unpack(const uint8_t *source, unsigned bits, size_t count,
                                                            uint16_t *codes) {
#define UNPACK_CASE(width)                                                                 \
    case width:                                                                            \
        for (size_t i = 0; i < count; i += KV_CODES_TOGETHER, source += width)             \
            kv_unpack_eight(source, width, codes + i);                                     \
        break;
    switch (bits) {
        UNPACK_CASE(4)
        UNPACK_CASE(5)
        UNPACK_CASE(6)
        UNPACK_CASE(7)
        UNPACK_CASE(9)
        UNPACK_CASE(10)
        UNPACK_CASE(11)
        UNPACK_CASE(12)
    default:
        for (size_t i = 0; i < count; i++) codes[i] = source[i];
    }
#undef UNPACK_CASE
}

#if defined(__x86_64__)
void kv_coupled_encode_avx2(const kv_coupled_format *format, const float *vector, size_t slot, void *part);
#endif

extern const kv_coupled_kernels kv_coupled_generic, kv_coupled_avx2, kv_coupled_avx512, kv_coupled_neon;

#endif
