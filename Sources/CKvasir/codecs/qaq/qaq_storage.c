// Encoding, decoding and what becomes of planes.

#include <math.h>

#include "qaq_layout.h"

#pragma clang fp contract(off)

#define KV_F16_MAX 65504.0f
#define HEADER_BYTES 16

static size_t align_up(size_t bytes, size_t alignment) { return (bytes + alignment - 1) / alignment * alignment; }

void kv_qaq_format_resolve(kv_qaq_format *format) {
    const size_t heads = format->heads.kv_heads, slots = KV_PAGE_TOKENS;
    format->units = (uint32_t)(heads / format->heads_per_unit);
    format->unit_size = format->heads_per_unit * format->heads.head_size;
    format->outliers = format->low_outliers + format->high_outliers;
    format->index_bytes = format->unit_size <= 256 ? 1 : 2;
    format->word_bytes = format->heads.head_size / 8;
    const size_t places = format->units * slots;
    format->saved_at = HEADER_BYTES;
    format->least_at = align_up(format->saved_at + heads * sizeof(uint32_t), 16);
    format->largest_at = format->least_at + places * sizeof(uint16_t);
    format->dropped_at = format->largest_at + places * sizeof(uint16_t);
    format->values_at = format->dropped_at + places / 2;
    format->indices_at = format->values_at + places * format->outliers * sizeof(uint16_t);
    format->fixed_bytes = align_up(format->indices_at + places * format->outliers * format->index_bytes, 64);
    format->planes_bytes = heads * kv_qaq_head_bytes(format);
}

// MARK: One unit

static float sanitised(float value) {
    if (value != value) return 0;
    return value > KV_F16_MAX ? KV_F16_MAX : value < -KV_F16_MAX ? -KV_F16_MAX : value;
}

typedef struct {
    float value;
    uint32_t index;
} candidate;

// Finds the `count` values of the largest sign * value, the first of equal ones before later ones; `taken` are left out.
static void most_extreme(const float *values, size_t size, float sign, size_t count, const uint8_t *taken,
                         candidate *found) {
    size_t have = 0;
    if (count == 0) return;
    for (size_t i = 0; i < size; i++) {
        const float value = sign * values[i];
        if (taken[i] || (have == count && !(value > found[have - 1].value))) continue;
        size_t at = have < count ? have++ : have - 1;
        for (; at > 0 && found[at - 1].value < value; at--) found[at] = found[at - 1];
        found[at] = (candidate){value, (uint32_t)i};
    }
}

// One plane of 8 codes, a byte each, as a byte whose lowest bit is the first.
static uint8_t plane_of_eight(const uint8_t *codes, unsigned shift) {
    uint64_t eight;
    memcpy(&eight, codes, sizeof eight);
    return (uint8_t)((eight >> shift & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

// Writes the planes of one head, where every slot has all of them.
static void write_planes(const kv_qaq_format *format, const uint8_t *codes, size_t head, size_t slot, uint8_t *planes) {
    uint8_t *word = planes + head * kv_qaq_head_bytes(format) + slot * format->word_bytes;
    for (unsigned plane = 0; plane < format->max_bits; plane++, word += KV_PAGE_TOKENS * format->word_bytes)
        for (size_t i = 0; i < format->word_bytes; i++)
            word[i] = plane_of_eight(codes + 8 * i, format->max_bits - 1 - plane);
}

static void find_codes(const float *values, size_t size, float least, float largest, unsigned bits, uint8_t *codes) {
    const float cells = (float)(1u << bits), range = largest - least;
    if (!(range > 0)) {
        memset(codes, 0, size);
        return;
    }
    const float scale = cells / range;
    for (size_t i = 0; i < size; i++) {
        const float cell = (values[i] - least) * scale;
        codes[i] = (uint8_t)(cell < 0 ? 0 : cell > cells - 1 ? cells - 1 : cell);
    }
}

void kv_qaq_encode(const kv_qaq_format *format, const float *vector, size_t slot, void *part) {
    static _Thread_local float values[KV_MAX_VECTOR];
    static _Thread_local uint8_t codes[KV_MAX_VECTOR], taken[KV_MAX_VECTOR];
    static _Thread_local candidate found[KV_MAX_VECTOR / 8];
    const size_t size = format->unit_size;
    uint8_t *planes = kv_qaq_planes(format, part);
    uint16_t *copies = ((kv_qaq_header *)part)->copies;
    if (copies) copies += slot * format->units * size;
    for (size_t unit = 0; unit < format->units; unit++, vector += size) {
        for (size_t i = 0; i < size; i++) values[i] = sanitised(vector[i]);
        if (copies) {
            // The copy is what planes are found again from, so it is what they are found from at first.
            for (size_t i = 0; i < size; i++) {
                copies[i] = kv_f32_to_f16(values[i] + 0.0f);
                values[i] = kv_f16_to_f32(copies[i]);
            }
            copies += size;
        }
        memset(taken, 0, size);
        candidate *high = found + format->low_outliers;
        most_extreme(values, size, -1, format->low_outliers, taken, found);
        for (size_t i = 0; i < format->low_outliers; i++) taken[found[i].index] = 1;
        most_extreme(values, size, 1, format->high_outliers, taken, high);
        for (size_t i = 0; i < format->high_outliers; i++) taken[high[i].index] = 1;

        float least = INFINITY, largest = -INFINITY;
        for (size_t i = 0; i < size; i++) {
            if (taken[i]) continue;
            least = values[i] < least ? values[i] : least;
            largest = values[i] > largest ? values[i] : largest;
        }
        // Adding zero makes a zero of either sign a positive one.
        uint16_t *stored_least = kv_qaq_least(format, part, unit) + slot;
        uint16_t *stored_largest = kv_qaq_largest(format, part, unit) + slot;
        *stored_least = kv_f32_to_f16(least + 0.0f);
        *stored_largest = kv_f32_to_f16(largest + 0.0f);
        find_codes(values, size, kv_f16_to_f32(*stored_least), kv_f16_to_f32(*stored_largest), format->max_bits, codes);

        uint16_t *outliers = kv_qaq_values(format, part, unit, slot);
        uint8_t *indices = kv_qaq_indices(format, part, unit, slot);
        for (size_t i = 0, count = 0; count < format->outliers; i++) {
            if (!taken[i]) continue;
            codes[i] = 0;
            outliers[count] = kv_f32_to_f16(values[i] + 0.0f);
            if (format->index_bytes == 1)
                indices[count] = (uint8_t)i;
            else
                ((uint16_t *)indices)[count] = (uint16_t)i;
            count++;
        }
        for (size_t i = 0; i < format->heads_per_unit; i++)
            write_planes(format, codes + i * format->heads.head_size, unit * format->heads_per_unit + i, slot, planes);
    }
}

void kv_qaq_planes_of_copies(const kv_qaq_format *format, const uint16_t *copies, const void *part, uint8_t *planes) {
    static _Thread_local float values[KV_MAX_VECTOR];
    static _Thread_local uint8_t codes[KV_MAX_VECTOR];
    const size_t size = format->unit_size;
    for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++)
        for (size_t unit = 0; unit < format->units; unit++, copies += size) {
            for (size_t i = 0; i < size; i++) values[i] = kv_f16_to_f32(copies[i]);
            find_codes(values, size, kv_f16_to_f32(kv_qaq_least(format, part, unit)[slot]),
                       kv_f16_to_f32(kv_qaq_largest(format, part, unit)[slot]), format->max_bits, codes);
            const uint8_t *indices = kv_qaq_indices(format, part, unit, slot);
            for (size_t i = 0; i < format->outliers; i++) codes[kv_qaq_index(format, indices, i)] = 0;
            for (size_t i = 0; i < format->heads_per_unit; i++)
                write_planes(format, codes + i * format->heads.head_size, unit * format->heads_per_unit + i, slot,
                             planes);
        }
}

// MARK: Reading

uint32_t kv_qaq_bits(const kv_qaq_format *format, const void *part, size_t unit, size_t slot) {
    return format->max_bits - (kv_qaq_dropped(format, part, unit)[slot / 2] >> (slot % 2 * 4) & 15);
}

float kv_qaq_range(const kv_qaq_format *format, const void *part, size_t unit, size_t slot) {
    return kv_f16_to_f32(kv_qaq_largest(format, part, unit)[slot]) -
           kv_f16_to_f32(kv_qaq_least(format, part, unit)[slot]);
}

static void decode_head(const kv_qaq_format *format, const void *part, size_t head, size_t slot, float *vector) {
    const size_t unit = head / format->heads_per_unit, size = format->heads.head_size;
    kv_qaq_cursor cursor = kv_qaq_open(format, part, head);
    for (size_t before = 0; before < slot; before++)
        for (unsigned plane = 0; plane < cursor.bits[before]; plane++) cursor.words[plane] += format->word_bytes;
    const float least = kv_f16_to_f32(kv_qaq_least(format, part, unit)[slot]);
    const float range = kv_qaq_range(format, part, unit, slot);
    const unsigned bits = cursor.bits[slot];
    for (size_t i = 0; i < size; i++) {
        unsigned index = 0;
        for (unsigned plane = 0; plane < bits; plane++) index = index << 1 | (cursor.words[plane][i / 8] >> i % 8 & 1);
        vector[i] = least + range * (((float)index + 0.5f) / (float)(1u << bits));
    }
    const size_t first = head % format->heads_per_unit * size;
    const uint8_t *indices = kv_qaq_indices(format, part, unit, slot);
    const uint16_t *values = kv_qaq_values(format, part, unit, slot);
    for (size_t i = 0; i < format->outliers; i++) {
        const size_t channel = kv_qaq_index(format, indices, i);
        if (channel >= first && channel < first + size) vector[channel - first] = kv_f16_to_f32(values[i]);
    }
}

void kv_qaq_decode(const kv_qaq_format *format, const void *part, size_t slot, float *vector) {
    for (size_t head = 0; head < format->heads.kv_heads; head++)
        decode_head(format, part, head, slot, vector + head * format->heads.head_size);
}

// MARK: Planes

size_t kv_qaq_planes_bytes(const kv_qaq_format *format, const uint8_t *bits) {
    size_t planes = 0;
    for (size_t i = 0; i < format->units * KV_PAGE_TOKENS; i++) planes += bits[i];
    return planes * format->heads_per_unit * format->word_bytes;
}

// Writes down how many planes each token has, and where each head's begin.
static void write_bits(const kv_qaq_format *format, const uint8_t *bits, void *part) {
    size_t saved = 0;
    for (size_t head = 0; head < format->heads.kv_heads; head++) {
        kv_qaq_saved(format, part)[head] = (uint32_t)saved;
        const uint8_t *own = bits + head / format->heads_per_unit * KV_PAGE_TOKENS;
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++)
            saved += (format->max_bits - own[slot]) * format->word_bytes;
    }
    for (size_t unit = 0; unit < format->units; unit++) {
        uint8_t *dropped = kv_qaq_dropped(format, part, unit);
        for (size_t i = 0; i < KV_PAGE_TOKENS / 2; i++) {
            const uint8_t *two = bits + unit * KV_PAGE_TOKENS + 2 * i;
            dropped[i] = (uint8_t)((format->max_bits - two[0]) | (format->max_bits - two[1]) << 4);
        }
    }
}

void kv_qaq_drop(const kv_qaq_format *format, const uint8_t *bits, void *part) {
    // What is kept only ever moves towards the start, so it can be done in place and in order.
    uint8_t *target = kv_qaq_planes(format, part);
    for (size_t head = 0; head < format->heads.kv_heads; head++) {
        const kv_qaq_cursor cursor = kv_qaq_open(format, part, head);
        const uint8_t *own = bits + head / format->heads_per_unit * KV_PAGE_TOKENS;
        for (unsigned plane = 0; plane < format->max_bits; plane++) {
            const uint8_t *word = cursor.words[plane];
            for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
                if (cursor.bits[slot] <= plane) continue;
                if (own[slot] > plane) {
                    // Whole words apart, so they never overlap.
                    if (target != word) memcpy(target, word, format->word_bytes);
                    target += format->word_bytes;
                }
                word += format->word_bytes;
            }
        }
    }
    write_bits(format, bits, part);
}

void kv_qaq_gather(const kv_qaq_format *format, const uint8_t *bits, const uint8_t *all, uint8_t *planes, void *part) {
    uint8_t *target = planes;
    for (size_t head = 0; head < format->heads.kv_heads; head++) {
        const uint8_t *own = bits + head / format->heads_per_unit * KV_PAGE_TOKENS;
        for (unsigned plane = 0; plane < format->max_bits; plane++)
            for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++, all += format->word_bytes) {
                if (own[slot] <= plane) continue;
                memcpy(target, all, format->word_bytes);
                target += format->word_bytes;
            }
    }
    ((kv_qaq_header *)part)->planes = planes;
    write_bits(format, bits, part);
}

// MARK: Attention

void kv_qaq_note_weights(uint16_t *most, const float *weights, size_t count, float factor) {
    for (size_t i = 0; i < count; i++) {
        // Of numbers that are not negative, the larger has the larger bits.
        const uint16_t weight = kv_f32_to_f16(weights[i] * factor);
        most[i] = weight > most[i] ? weight : most[i];
    }
}

// MARK: The plain kernels

// Decodes one key, multiplies, adds: every other row is tested against it.
static void score(const kv_qaq_format *format, const kv_run *keys, uint32_t head, const float *queries, size_t rows,
                  float *scores, size_t stride) {
    const size_t size = format->heads.head_size;
    float key[KV_QAQ_MAX_HEAD];
    for (size_t token = 0; token < kv_run_pages(keys) * KV_PAGE_TOKENS; token++) {
        decode_head(format, kv_run_part(keys, token / KV_PAGE_TOKENS), head, token % KV_PAGE_TOKENS, key);
        for (size_t row = 0; row < rows; row++) {
            float sum = 0;
            for (size_t i = 0; i < size; i++) sum += queries[row * size + i] * key[i];
            scores[row * stride + token] = sum;
        }
    }
}

static void mix(const kv_qaq_format *format, const kv_run *values, uint32_t head, const float *weights, size_t rows,
                size_t stride, float *out) {
    const size_t size = format->heads.head_size;
    float value[KV_QAQ_MAX_HEAD];
    for (size_t token = 0; token < values->tokens; token++) {
        decode_head(format, kv_run_part(values, token / KV_PAGE_TOKENS), head, token % KV_PAGE_TOKENS, value);
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < size; i++) out[row * size + i] += weights[row * stride + token] * value[i];
    }
}

static const kv_qaq_kernels generic = {score, mix};

const kv_qaq_kernels *kv_qaq_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_qaq_avx512;
    case KV_ISA_AVX2: return &kv_qaq_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_qaq_neon;
#endif
    default: return &generic;
    }
}
