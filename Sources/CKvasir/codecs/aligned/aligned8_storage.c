// Encoding and decoding, the plain kernels, and the choice of kernels.

#include "aligned8_layout.h"

#pragma clang fp contract(off)

static void resolve(kv_aligned8_format *format, uint32_t units, uint32_t lanes) {
    format->units = units;
    format->lanes = lanes;
    format->plane_bytes = units * lanes / 4;
    format->least_at = 4 * format->plane_bytes;
    format->largest_at = format->least_at + units * (uint32_t)sizeof(uint16_t);
    format->head_bytes = (format->largest_at + units * (uint32_t)sizeof(uint16_t) + 63) / 64 * 64;
}

void kv_aligned8_resolve_keys(kv_aligned8_format *format) { resolve(format, format->heads.head_size, KV_PAGE_TOKENS); }

void kv_aligned8_resolve_values(kv_aligned8_format *format) {
    const uint32_t groups = (format->heads.head_size + KV_ALIGNED8_LANES - 1) / KV_ALIGNED8_LANES;
    resolve(format, KV_PAGE_TOKENS, groups * KV_ALIGNED8_LANES);
}

// MARK: Storage

static float storable(float value) {
    const float limit = 65504.0f;
    return value != value ? 0 : value > limit ? limit : value < -limit ? -limit : value;
}

// The largest fp16 number that is not above `value`.
static uint16_t round_down(float value) {
    const uint16_t word = kv_f32_to_f16(value);
    if (kv_f16_to_f32(word) <= value) return word;
    return word & 0x8000u ? word + 1 : word == 0 ? 0x8001u : word - 1;
}

// Stores the unit whose lane i is values[i * stride], `count` of them.
static void encode_unit(const kv_aligned8_format *format, uint8_t *head, size_t unit, const float *values, size_t stride,
                        size_t count) {
    float least = INFINITY, largest = -INFINITY;
    for (size_t lane = 0; lane < count; lane++) {
        const float value = storable(values[lane * stride]);
        least = value < least ? value : least;
        largest = value > largest ? value : largest;
    }
    uint16_t *leasts = (uint16_t *)(void *)(head + format->least_at);
    uint16_t *largests = (uint16_t *)(void *)(head + format->largest_at);
    leasts[unit] = round_down(least);
    largests[unit] = round_down(-largest) ^ 0x8000u;
    least = kv_f16_to_f32(leasts[unit]);
    const float range = kv_f16_to_f32(largests[unit]) - least, steps = range > 0 ? 256 / range : 0;
    for (size_t first = 0; first < format->lanes; first += KV_ALIGNED8_LANES) {
        uint8_t codes[KV_ALIGNED8_LANES] = {0};
        const size_t used = count - first < KV_ALIGNED8_LANES ? count - first : KV_ALIGNED8_LANES;
        for (size_t lane = 0; lane < used; lane++) {
            const float code = (storable(values[(first + lane) * stride]) - least) * steps;
            codes[lane] = (uint8_t)(code < 255 ? code : 255);
        }
        uint8_t *bytes = head + (unit * format->lanes + first) / 4;
        for (unsigned plane = 0; plane < 4; plane++, bytes += format->plane_bytes) {
            memset(bytes, 0, 16);
            for (size_t lane = 0; lane < KV_ALIGNED8_LANES; lane++)
                bytes[kv_aligned8_byte(lane)] |=
                    (uint8_t)((codes[lane] >> (6 - 2 * plane) & 3u) << kv_aligned8_shift(lane));
        }
    }
}

void kv_aligned8_encode_keys(const kv_aligned8_format *format, const float *vectors, void *part) {
    uint8_t *head = part;
    const size_t size = format->heads.head_size, width = format->heads.kv_heads * size;
    for (size_t index = 0; index < format->heads.kv_heads; index++, head += format->head_bytes)
        for (size_t channel = 0; channel < size; channel++)
            encode_unit(format, head, channel, vectors + index * size + channel, width, KV_PAGE_TOKENS);
}

void kv_aligned8_encode_values(const kv_aligned8_format *format, const float *vector, size_t slot, void *part) {
    uint8_t *head = part;
    const size_t size = format->heads.head_size;
    for (size_t index = 0; index < format->heads.kv_heads; index++, head += format->head_bytes)
        encode_unit(format, head, slot, vector + index * size, 1, size);
}

static float decoded(const kv_aligned8_format *format, kv_aligned8_head head, size_t unit, size_t lane,
                     unsigned width) {
    return kv_aligned8_middle(head, unit) +
           kv_aligned8_range(head, unit) * 0x1p-8f * kv_aligned8_read(format, head, unit, lane, width);
}

void kv_aligned8_decode_keys(const kv_aligned8_format *format, const void *part, size_t slot, float *vector) {
    for (uint32_t index = 0; index < format->heads.kv_heads; index++) {
        const kv_aligned8_head head = kv_aligned8_head_at(format, part, index);
        for (size_t channel = 0; channel < format->heads.head_size; channel++)
            *vector++ = decoded(format, head, channel, slot, KV_ALIGNED8_WHOLE);
    }
}

void kv_aligned8_decode_values(const kv_aligned8_format *format, const void *part, size_t slot, float *vector) {
    for (uint32_t index = 0; index < format->heads.kv_heads; index++) {
        const kv_aligned8_head head = kv_aligned8_head_at(format, part, index);
        for (size_t channel = 0; channel < format->heads.head_size; channel++)
            *vector++ = decoded(format, head, slot, channel, KV_ALIGNED8_WHOLE);
    }
}

// MARK: Prepared queries

size_t kv_aligned8_query_bytes(const kv_aligned8_format *format) {
    const size_t end = 2 * format->heads.head_size * sizeof(float) + sizeof(kv_aligned8_query_state);
    return (end + 63) / 64 * 64;
}

void kv_aligned8_prepare(const kv_aligned8_format *format, const float *query, float factor, void *prepared) {
    for (size_t channel = 0; channel < format->heads.head_size; channel++) {
        ((float *)prepared)[channel] = query[channel] * factor;
        kv_aligned8_shares(format, prepared)[channel] = 0;
    }
    *kv_aligned8_state(format, prepared) = (kv_aligned8_query_state){0, 0};
}

// MARK: Plain kernels

static size_t choose_keys(const kv_aligned8_format *format, const kv_run *context, size_t first, kv_aligned_tile tile,
                          void *prepared) {
    const size_t channels = format->heads.head_size, bytes = kv_aligned8_query_bytes(format);
    float ranges[KV_MAX_VECTOR];
    memset(ranges, 0, channels * sizeof *ranges);
    size_t page = 0, units = 0;
    for (size_t begin = 0; begin < tile.rows; begin += tile.group) {
        const size_t token = begin / tile.group, limit = tile.position + token + 1;
        const size_t before = kv_aligned8_pages_before(first, limit);
        for (; page < before; page++)
            for (size_t channel = 0; channel < channels; channel++) {
                const float range = kv_aligned8_range(kv_aligned8_head_of(format, context, page, tile.head), channel);
                ranges[channel] = range > ranges[channel] ? range : ranges[channel];
            }
        uint8_t *queries = (uint8_t *)prepared + begin * bytes;
        kv_aligned8_share(format, queries, tile.group, ranges);
        for (size_t member = 0; member < tile.group; member++)
            *kv_aligned8_state(format, queries + member * bytes) =
                (kv_aligned8_query_state){(uint32_t)limit, (uint32_t)token};
        units += before * channels;
    }
    return units;
}

static void score(const kv_aligned8_format *format, const kv_run *keys, size_t first, uint32_t head, const void *queries,
                  size_t rows, float *scores, size_t stride, uint64_t read[KV_ALIGNED8_WIDTHS]) {
    const size_t bytes = kv_aligned8_query_bytes(format);
    for (size_t row = 0; row < rows; row++) {
        uint8_t *query = (uint8_t *)(uintptr_t)queries + row * bytes;
        const kv_aligned8_query_state state = *kv_aligned8_state(format, query);
        const bool is_counted = read && (row == 0 || kv_aligned8_state(format, query - bytes)->token != state.token);
        const size_t before = kv_aligned8_pages_before(first, state.limit);
        for (size_t page = 0; page < kv_run_pages(keys); page++) {
            const kv_aligned8_head planes = kv_aligned8_head_of(format, keys, page, head);
            float *sums = scores + row * stride + page * KV_PAGE_TOKENS;
            memset(sums, 0, KV_PAGE_TOKENS * sizeof *sums);
            for (size_t channel = 0; channel < format->heads.head_size; channel++) {
                const float share =
                    kv_aligned8_shares(format, query)[channel] * kv_aligned8_range(planes, channel);
                const unsigned width = page < before ? kv_aligned8_width(format, share) : KV_ALIGNED8_WHOLE;
                if (is_counted && page < before) read[width] += KV_PAGE_TOKENS;
                for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++)
                    sums[slot] += ((const float *)query)[channel] * decoded(format, planes, channel, slot, width);
            }
        }
    }
}

static size_t choose_values(const kv_aligned8_format *format, const kv_run *context, size_t first,
                            kv_aligned_tile tile, const float *weights, size_t stride, kv_aligned8_choice *choices) {
    size_t units = 0;
    for (size_t row = 0; row < tile.rows; row++) {
        const size_t token = row / tile.group, limit = tile.position + token + 1;
        float largest = 0;
        for (size_t slot = 0; slot < limit - first; slot++) {
            const kv_aligned8_head head = kv_aligned8_head_of(format, context, slot / KV_PAGE_TOKENS, tile.head);
            const float product = weights[row * stride + slot] * kv_aligned8_range(head, slot % KV_PAGE_TOKENS);
            largest = product > largest ? product : largest;
        }
        choices[row] = (kv_aligned8_choice){kv_aligned8_inverse(largest), (uint32_t)limit, (uint32_t)token};
        if (row % tile.group == 0) units += limit - first;
    }
    return units;
}

static void mix(const kv_aligned8_format *format, const kv_run *values, size_t first, uint32_t head,
                const float *weights, size_t rows, size_t stride, const kv_aligned8_choice *choices, float *out,
                uint64_t read[KV_ALIGNED8_WIDTHS]) {
    const size_t channels = format->heads.head_size;
    size_t end;
    for (size_t begin = 0; begin < rows; begin = end) {
        end = begin + 1;
        while (choices && end < rows && choices[end].token == choices[begin].token) end++;
        for (size_t slot = 0; slot < values->tokens; slot++) {
            const kv_aligned8_head planes = kv_aligned8_head_of(format, values, slot / KV_PAGE_TOKENS, head);
            float share = 0;
            for (size_t row = begin; choices && row < end; row++) {
                const float own = weights[row * stride + slot] * choices[row].inverse;
                share = own > share ? own : share;
            }
            const size_t unit = slot % KV_PAGE_TOKENS;
            const unsigned width =
                choices ? kv_aligned8_width(format, share * kv_aligned8_range(planes, unit)) : KV_ALIGNED8_WHOLE;
            if (read && choices && first + slot < choices[begin].limit) read[width] += channels;
            for (size_t row = begin; row < end; row++)
                for (size_t channel = 0; channel < channels; channel++)
                    out[row * channels + channel] +=
                        weights[row * stride + slot] * decoded(format, planes, unit, channel, width);
        }
    }
}

const kv_aligned8_kernels kv_aligned8_kernels_generic = {choose_keys, score, choose_values, mix};

const kv_aligned8_kernels *kv_aligned8_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_aligned8_kernels_avx512;
    case KV_ISA_AVX2: return &kv_aligned8_kernels_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_aligned8_kernels_neon;
#endif
    default: return &kv_aligned8_kernels_generic;
    }
}
