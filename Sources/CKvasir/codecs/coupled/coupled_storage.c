// Storage, the plain kernels that every other row is tested against, and the choice of kernels.

#include <math.h>

#include "coupled_layout.h"

#pragma clang fp contract(off)

#define KV_F16_MAX 65504.0f

void kv_coupled_format_resolve(kv_coupled_format *format) {
    format->groups = format->heads.head_size / format->channels;
    format->padded = 2;
    while (format->padded < format->channels) format->padded *= 2;
    format->group_bytes = KV_PAGE_TOKENS / 8 * format->bits;
    format->part_bytes = format->heads.kv_heads * format->groups * format->group_bytes;
}

// MARK: Codes

void kv_coupled_put(uint8_t *stream, uint32_t bits, size_t slot, uint32_t code) {
    for (size_t at = slot * bits, left = bits; left > 0;) {
        const size_t shift = at % 8, count = 8 - shift < left ? 8 - shift : left;
        const uint8_t mask = (uint8_t)(((1u << count) - 1) << shift);
        stream[at / 8] = (uint8_t)((stream[at / 8] & ~mask) | ((code << shift) & mask));
        code >>= count, at += count, left -= count;
    }
}

uint32_t kv_coupled_get(const uint8_t *stream, uint32_t bits, size_t slot) {
    uint32_t code = 0;
    for (size_t at = slot * bits, have = 0; have < bits;) {
        const size_t shift = at % 8, count = 8 - shift < bits - have ? 8 - shift : bits - have;
        code |= (stream[at / 8] >> shift & ((1u << count) - 1)) << have;
        at += count, have += count;
    }
    return code;
}

void kv_coupled_sanitise(float *vector, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float known = vector[i] == vector[i] ? vector[i] : 0;
        vector[i] = known > KV_F16_MAX ? KV_F16_MAX : known < -KV_F16_MAX ? -KV_F16_MAX : known;
    }
}

// The index of the centroid with the least half squared length less its product with x: the nearest one.
static uint32_t nearest(const kv_coupled_format *format, size_t head, size_t group, const float *x) {
    const size_t centroids = kv_coupled_centroids(format);
    const uint16_t *columns = kv_coupled_columns(format, head, group);
    const float *half_norms = kv_coupled_half_norms(format, head, group);
    uint32_t best = 0;
    float least = INFINITY;
    for (size_t j = 0; j < centroids; j++) {
        float distance = half_norms[j];
        for (size_t i = 0; i < format->channels; i++) distance -= x[i] * kv_f16_to_f32(columns[i * centroids + j]);
        if (distance < least) least = distance, best = (uint32_t)j;
    }
    return best;
}

static void encode(const kv_coupled_format *format, const float *vector, size_t slot, void *part) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t group = 0; group < format->groups; group++, vector += format->channels)
            kv_coupled_put((uint8_t *)part + kv_coupled_codes_at(format, head, group), format->bits, slot,
                           nearest(format, head, group, vector));
}

static void decode_head(const kv_coupled_format *format, const uint8_t *part, size_t head, size_t slot, float *vector) {
    for (size_t group = 0; group < format->groups; group++) {
        const uint8_t *stream = part + kv_coupled_codes_at(format, head, group);
        const uint16_t *row = kv_coupled_rows(format, head, group) +
                              kv_coupled_get(stream, format->bits, slot) * format->padded;
        for (size_t i = 0; i < format->channels; i++) *vector++ = kv_f16_to_f32(row[i]);
    }
}

void kv_coupled_decode(const kv_coupled_format *format, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        decode_head(format, part, head, slot, vector + head * format->heads.head_size);
}

// MARK: Positions

void kv_coupled_turn(const kv_coupled_turns *turns, kv_heads heads, size_t position, bool back, float *vector) {
    const float *page = turns->pages + position / KV_PAGE_TOKENS * 2 * turns->pairs;
    for (uint32_t pair = 0; pair < turns->pairs; pair++) {
        const float *within = turns->within + pair * 2 * KV_PAGE_TOKENS + position % KV_PAGE_TOKENS;
        const float c = page[pair], s = page[turns->pairs + pair], d = within[0], t = within[KV_PAGE_TOKENS];
        const float cosine = c * d - s * t, sine = back ? -(s * d + c * t) : s * d + c * t;
        float *first = vector + kv_coupled_first(turns, pair), *second = vector + kv_coupled_second(turns, pair);
        for (uint32_t head = 0; head < heads.kv_heads; head++, first += heads.head_size, second += heads.head_size) {
            const float a = *first, b = *second;
            *first = a * cosine - b * sine;
            *second = a * sine + b * cosine;
        }
    }
}

void kv_coupled_arrange(const kv_coupled_turns *turns, const float *query, size_t head_size, float factor,
                        float *arranged) {
    for (uint32_t pair = 0; pair < turns->pairs; pair++) {
        arranged[2 * pair] = query[kv_coupled_first(turns, pair)] * factor;
        arranged[2 * pair + 1] = query[kv_coupled_second(turns, pair)] * factor;
    }
    for (size_t channel = 2 * turns->pairs; channel < head_size; channel++) arranged[channel] = query[channel] * factor;
}

// MARK: The plain kernels

static void score(const kv_coupled_format *format, const kv_coupled_turns *turns, const kv_run *keys, size_t position,
                  uint32_t head, const float *queries, size_t rows, float *scores, size_t stride) {
    const size_t channels = format->heads.head_size;
    const kv_heads one = {1, format->heads.head_size};
    float key[KV_COUPLED_MAX_HEAD], arranged[KV_COUPLED_MAX_HEAD];
    for (size_t page = 0; page < kv_run_pages(keys); page++)
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            const size_t token = page * KV_PAGE_TOKENS + slot;
            decode_head(format, kv_run_part(keys, page), head, slot, key);
            kv_coupled_turn(turns, one, position + token, false, key);
            kv_coupled_arrange(turns, key, channels, 1, arranged);
            for (size_t row = 0; row < rows; row++) {
                float sum = 0;
                for (size_t i = 0; i < channels; i++) sum += queries[row * channels + i] * arranged[i];
                scores[row * stride + token] = sum;
            }
        }
}

static void products(const kv_coupled_format *format, uint32_t head, const float *query, float factor, float *products) {
    const size_t centroids = kv_coupled_centroids(format);
    for (size_t group = 0; group < format->groups; group++, query += format->channels) {
        const uint16_t *columns = kv_coupled_columns(format, head, group);
        for (size_t j = 0; j < centroids; j++) {
            float sum = 0;
            for (size_t i = 0; i < format->channels; i++)
                sum += query[i] * factor * kv_f16_to_f32(columns[i * centroids + j]);
            *products++ = sum;
        }
    }
}

static void score_products(const kv_coupled_format *format, const kv_run *keys, uint32_t head, const float *products,
                           size_t rows, float *scores, size_t stride) {
    const size_t centroids = kv_coupled_centroids(format), row_products = format->groups * centroids;
    for (size_t page = 0; page < kv_run_pages(keys); page++)
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++)
            for (size_t row = 0; row < rows; row++) {
                float sum = 0;
                for (size_t group = 0; group < format->groups; group++) {
                    const uint8_t *stream = kv_run_part(keys, page) + kv_coupled_codes_at(format, head, group);
                    sum += products[row * row_products + group * centroids +
                                    kv_coupled_get(stream, format->bits, slot)];
                }
                scores[row * stride + page * KV_PAGE_TOKENS + slot] = sum;
            }
}

static void mix(const kv_coupled_format *format, const kv_run *values, uint32_t head, const float *weights, size_t rows,
                size_t stride, float *out) {
    const size_t channels = format->heads.head_size;
    float value[KV_COUPLED_MAX_HEAD];
    for (size_t token = 0; token < values->tokens; token++) {
        decode_head(format, kv_run_part(values, token / KV_PAGE_TOKENS), head, token % KV_PAGE_TOKENS, value);
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < channels; i++) out[row * channels + i] += weights[row * stride + token] * value[i];
    }
}

const kv_coupled_kernels kv_coupled_generic = {encode, score, products, score_products, mix};

const kv_coupled_kernels *kv_coupled_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_coupled_avx512;
    case KV_ISA_AVX2: return &kv_coupled_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_coupled_neon;
#endif
    default: return &kv_coupled_generic;
    }
}
