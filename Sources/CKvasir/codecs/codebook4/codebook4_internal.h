#ifndef KV_CODEBOOK4_INTERNAL_H
#define KV_CODEBOOK4_INTERNAL_H

#include "kv_codebook4.h"
#include "kv_half.h"

#define KV_VECTOR_BYTES 64

// Channels that share one query scale. Within a unit the block scale is constant: blocks end at multiples of 32 of the
// whole vector, heads at multiples of 16.
static inline size_t kv_codebook4_unit(const kv_codebook4 *codebook) {
    return codebook->heads.head_size % 32 == 0 ? 32 : 16;
}

static inline size_t kv_codebook4_block_of(const kv_codebook4 *codebook, size_t head, size_t channel) {
    return (head * codebook->heads.head_size + channel) / codebook->block;
}

// Bytes of one head's codes in a page part.
static inline size_t kv_codebook4_head_bytes(const kv_codebook4 *codebook) {
    return (size_t)codebook->heads.head_size * KV_PAGE_TOKENS / 2;
}

static inline size_t kv_codebook4_scales_offset(const kv_codebook4 *codebook) {
    return codebook->heads.kv_heads * kv_codebook4_head_bytes(codebook);
}

static inline const uint16_t *kv_codebook4_scales(const kv_codebook4 *codebook, const void *part, size_t block) {
    return (const uint16_t *)((const uint8_t *)part + kv_codebook4_scales_offset(codebook)) + block * KV_PAGE_TOKENS;
}

// Layout of a prepared query: head_size floats, head_size codes, then per unit a scale and -128 x the sum of its codes
// (the correction for kernels whose levels are offset to be unsigned).
typedef struct {
    const float *values;
    const int8_t *codes;
    const float *scales;
    const int32_t *corrections;
} kv_codebook4_query;

static inline kv_codebook4_query kv_codebook4_query_at(const kv_codebook4 *codebook, const void *queries, size_t row) {
    const size_t channels = codebook->heads.head_size, units = channels / kv_codebook4_unit(codebook);
    const uint8_t *base = (const uint8_t *)queries + row * kv_codebook4_query_bytes(codebook);
    kv_codebook4_query query;
    query.values = (const float *)base;
    query.codes = (const int8_t *)(base + channels * sizeof(float));
    query.scales = (const float *)(base + channels * (sizeof(float) + 1));
    query.corrections = (const int32_t *)(query.scales + units);
    return query;
}

extern const kv_codebook4_kernels kv_codebook4_kernels_generic;
#if defined(__x86_64__)
extern const kv_codebook4_kernels kv_codebook4_kernels_avx2, kv_codebook4_kernels_avx512;
#elif defined(__aarch64__)
extern const kv_codebook4_kernels kv_codebook4_kernels_neon;
#endif

#endif
