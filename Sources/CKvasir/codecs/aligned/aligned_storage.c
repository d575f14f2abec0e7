// Encoding and decoding, the widths of channels, the plain kernels, and the choice of kernels.

#include "aligned_layout.h"

#pragma clang fp contract(off)

static void resolve(kv_aligned_format *format, uint32_t units, uint32_t lanes) {
    format->units = units;
    format->lanes = lanes;
    format->middle_at = units * lanes;
    format->last_at = format->middle_at + units * lanes / 2;
    // The largest exponents end a head, which is whole lines of memory.
    const uint32_t end = format->last_at + units * lanes / 2 + format->heads.head_size;
    format->head_bytes = (end + 63) / 64 * 64;
    format->maxima_at = format->head_bytes - format->heads.head_size;
}

void kv_aligned_resolve_keys(kv_aligned_format *format) {
    resolve(format, format->heads.head_size, KV_PAGE_TOKENS);
}

void kv_aligned_resolve_values(kv_aligned_format *format) {
    const uint32_t groups = (format->heads.head_size + KV_ALIGNED_LANES - 1) / KV_ALIGNED_LANES;
    resolve(format, KV_PAGE_TOKENS, groups * KV_ALIGNED_LANES);
}

static uint16_t narrow(float value) {
    const float limit = 65504.0f;
    if (value != value) return 0;
    return kv_f32_to_f16(value > limit ? limit : value < -limit ? -limit : value);
}

static void write_word(const kv_aligned_format *format, uint8_t *head, size_t unit, size_t lane, uint16_t word) {
    head[unit * format->lanes + lane] = (uint8_t)(word >> 8);
    const size_t half = unit * format->lanes / 2 + kv_aligned_half_at(lane);
    const unsigned shift = kv_aligned_half_shift(lane);
    uint8_t *middle = head + format->middle_at + half, *last = head + format->last_at + half;
    *middle = (uint8_t)((*middle & ~(15u << shift)) | (word >> 4 & 15u) << shift);
    *last = (uint8_t)((*last & ~(15u << shift)) | (word & 15u) << shift);
}

static inline uint8_t exponent_of(unsigned upper_byte) { return upper_byte >> 2 & 31u; }

// What was stored in the page's slots before, another sequence's tokens perhaps, must leave no trace: with the last slot,
// all are looked at anew. A page that is not full is read whole, and its maxima by nobody.
static void note_maximum(const kv_aligned_format *format, uint8_t *head, size_t channel, size_t unit, size_t lane,
                         size_t slot, size_t unit_step, size_t lane_step) {
    uint8_t *maximum = head + format->maxima_at + channel;
    if (slot + 1 < KV_PAGE_TOKENS) {
        const uint8_t exponent = exponent_of(head[unit * format->lanes + lane]);
        if (exponent > *maximum) *maximum = exponent;
        return;
    }
    uint8_t largest = 0;
    for (size_t token = 0; token < KV_PAGE_TOKENS; token++) {
        const size_t at = (unit - (slot - token) * unit_step) * format->lanes + lane - (slot - token) * lane_step;
        const uint8_t exponent = exponent_of(head[at]);
        largest = exponent > largest ? exponent : largest;
    }
    *maximum = largest;
}

void kv_aligned_encode_keys(const kv_aligned_format *format, const float *vector, size_t slot, void *part) {
    uint8_t *head = part;
    for (size_t index = 0; index < format->heads.kv_heads; index++, head += format->head_bytes)
        for (size_t channel = 0; channel < format->heads.head_size; channel++) {
            write_word(format, head, channel, slot, narrow(*vector++));
            note_maximum(format, head, channel, channel, slot, slot, 0, 1);
        }
}

void kv_aligned_encode_values(const kv_aligned_format *format, const float *vector, size_t slot, void *part) {
    uint8_t *head = part;
    for (size_t index = 0; index < format->heads.kv_heads; index++, head += format->head_bytes)
        for (size_t channel = 0; channel < format->heads.head_size; channel++) {
            write_word(format, head, slot, channel, narrow(*vector++));
            note_maximum(format, head, channel, slot, channel, slot, 1, 0);
        }
}

static kv_aligned_planes planes_in(const kv_aligned_format *format, const void *part, size_t head) {
    const uint8_t *base = (const uint8_t *)part + head * format->head_bytes;
    return (kv_aligned_planes){base, base + format->middle_at, base + format->last_at, base + format->maxima_at};
}

void kv_aligned_decode_keys(const kv_aligned_format *format, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < format->heads.head_size; channel++)
            *vector++ =
                kv_f16_to_f32(kv_aligned_read(format, planes_in(format, part, head), channel, slot, KV_READ_16));
}

void kv_aligned_decode_values(const kv_aligned_format *format, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        for (size_t channel = 0; channel < format->heads.head_size; channel++)
            *vector++ =
                kv_f16_to_f32(kv_aligned_read(format, planes_in(format, part, head), slot, channel, KV_READ_16));
}

// MARK: Widths of channels

size_t kv_aligned_query_bytes(const kv_aligned_format *format) {
    const size_t end = format->heads.head_size * (sizeof(float) + 2) + 3 + sizeof(kv_aligned_query_state);
    return (end + 63) / 64 * 64;
}

void kv_aligned_prepare(const kv_aligned_format *format, const float *query, float factor, void *prepared) {
    float *scaled = prepared;
    for (size_t channel = 0; channel < format->heads.head_size; channel++) {
        scaled[channel] = query[channel] * factor;
        kv_aligned_codes(format, prepared)[channel] = KV_READ_16;
        kv_aligned_exponents(format, prepared)[channel] = (uint8_t)kv_aligned_exponent(query[channel]);
    }
    *kv_aligned_state(format, prepared) = (kv_aligned_query_state){0, 0};
}

void kv_aligned_choose_keys(const kv_aligned_format *format, const kv_run *context, size_t first, kv_aligned_tile tile,
                            void *prepared, uint64_t read[KV_ALIGNED_WIDTHS]) {
    const size_t channels = format->heads.head_size, bytes = kv_aligned_query_bytes(format);
    uint8_t maxima[KV_MAX_VECTOR];
    memset(maxima, 0, channels);
    size_t page = 0;
    for (size_t begin = 0; begin < tile.rows; begin += tile.group) {
        const size_t token = begin / tile.group, limit = tile.position + token + 1;
        const size_t full = kv_aligned_full_pages(first, limit);
        for (; page < full; page++)
            kv_aligned_raise(maxima, kv_aligned_planes_of(format, context, page, tile.head).maxima, channels);

        uint8_t *codes = kv_aligned_codes(format, (uint8_t *)prepared + begin * bytes);
        memset(codes, KV_READ_8, channels);
        for (size_t row = begin; row < begin + tile.group; row++) {
            uint8_t *query = (uint8_t *)prepared + row * bytes;
            *kv_aligned_state(format, query) = (kv_aligned_query_state){(uint32_t)limit, (uint32_t)token};
            const uint8_t *exponents = kv_aligned_exponents(format, query);
            int largest = 0;
            for (size_t channel = 0; channel < channels; channel++) {
                const int product = exponents[channel] + maxima[channel];
                largest = product > largest ? product : largest;
            }
            for (size_t channel = 0; channel < channels; channel++) {
                const int below = largest - exponents[channel] - maxima[channel];
                const uint8_t code = (uint8_t)((below < (int)format->twelve) + (below < (int)format->eight));
                codes[channel] = code > codes[channel] ? code : codes[channel];
            }
        }
        for (size_t row = begin + 1; row < begin + tile.group; row++)
            memcpy(kv_aligned_codes(format, (uint8_t *)prepared + row * bytes), codes, channels);
        for (size_t channel = 0; channel < channels; channel++) read[codes[channel]] += full * KV_PAGE_TOKENS;
        read[KV_READ_16] += (limit - first - full * KV_PAGE_TOKENS) * channels;
    }
}

// MARK: Plain kernels

static void score(const kv_aligned_format *format, const kv_run *keys, size_t first, uint32_t head, const void *queries,
                  size_t rows, float *scores, size_t stride) {
    const size_t bytes = kv_aligned_query_bytes(format);
    for (size_t row = 0; row < rows; row++) {
        uint8_t *query = (uint8_t *)(uintptr_t)queries + row * bytes;
        const uint8_t *codes = kv_aligned_codes(format, query);
        const size_t full = kv_aligned_full_pages(first, kv_aligned_state(format, query)->limit);
        for (size_t page = 0; page < kv_run_pages(keys); page++) {
            const kv_aligned_planes planes = kv_aligned_planes_of(format, keys, page, head);
            for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
                float sum = 0;
                for (size_t channel = 0; channel < format->heads.head_size; channel++) {
                    const unsigned code = page < full ? codes[channel] : KV_READ_16;
                    sum += ((const float *)query)[channel] *
                           kv_f16_to_f32(kv_aligned_read(format, planes, channel, slot, code));
                }
                scores[row * stride + page * KV_PAGE_TOKENS + slot] = sum;
            }
        }
    }
}

static void choose_values(const kv_aligned_format *format, const kv_run *context, size_t first, kv_aligned_tile tile,
                          const float *weights, size_t stride, const float *totals, kv_aligned_choice *choices,
                          uint64_t *estimate) {
    const size_t channels = format->heads.head_size;
    uint8_t maxima[KV_MAX_VECTOR];
    float sums[KV_MAX_VECTOR];
    memset(maxima, 0, channels);
    size_t page = 0;
    for (size_t row = 0; row < tile.rows; row++) {
        const size_t token = row / tile.group, limit = tile.position + token + 1;
        const size_t full = kv_aligned_full_pages(first, limit);
        for (; page < full; page++)
            kv_aligned_raise(maxima, kv_aligned_planes_of(format, context, page, tile.head).maxima, channels);
        memset(sums, 0, channels * sizeof *sums);
        const float *row_weights = weights + row * stride;
        for (size_t class = 0; full > 0 && class < 32; class++) {
            size_t heaviest = class;
            for (size_t slot = class; slot < full * KV_PAGE_TOKENS; slot += 32)
                if (row_weights[slot] > row_weights[heaviest]) heaviest = slot;
            const kv_aligned_planes planes =
                kv_aligned_planes_of(format, context, heaviest / KV_PAGE_TOKENS, tile.head);
            const float share = row_weights[heaviest] / totals[row];
            for (size_t channel = 0; channel < channels; channel++) {
                const uint16_t word =
                    kv_aligned_read(format, planes, heaviest % KV_PAGE_TOKENS, channel, KV_READ_8);
                sums[channel] += share * kv_f16_to_f32(word & 0x7fffu);
            }
        }
        if (full > 0) *estimate += 32 * channels;
        choices[row] = kv_aligned_choose(format, sums, maxima, full * KV_PAGE_TOKENS, totals[row], limit, token);
    }
}

static void mix(const kv_aligned_format *format, const kv_run *values, size_t first, uint32_t head, const float *weights,
                size_t rows, size_t stride, const kv_aligned_choice *choices, float *out,
                uint64_t read[KV_ALIGNED_WIDTHS]) {
    const size_t channels = format->heads.head_size;
    size_t end;
    for (size_t begin = 0; begin < rows; begin = end) {
        end = begin + 1;
        while (choices && end < rows && choices[end].token == choices[begin].token) end++;
        const size_t limit = choices ? choices[begin].limit : 0;
        const size_t full = kv_aligned_full_pages(first, limit);
        for (size_t slot = 0; slot < values->tokens; slot++) {
            const kv_aligned_planes planes = kv_aligned_planes_of(format, values, slot / KV_PAGE_TOKENS, head);
            const unsigned code = slot / KV_PAGE_TOKENS < full
                                      ? kv_aligned_value_code(choices, weights + slot, begin, end, stride)
                                      : KV_READ_16;
            if (read && first + slot < limit) read[code] += channels;
            for (size_t row = begin; row < end; row++) {
                const float weight = weights[row * stride + slot];
                for (size_t channel = 0; channel < channels; channel++)
                    out[row * channels + channel] +=
                        weight * kv_f16_to_f32(kv_aligned_read(format, planes, slot % KV_PAGE_TOKENS, channel, code));
            }
        }
    }
}

const kv_aligned_kernels kv_aligned_kernels_generic = {score, choose_values, mix};

const kv_aligned_kernels *kv_aligned_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_aligned_kernels_avx512;
    case KV_ISA_AVX2: return &kv_aligned_kernels_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_aligned_kernels_neon;
#endif
    default: return &kv_aligned_kernels_generic;
    }
}
