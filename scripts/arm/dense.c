// The float codecs: the NEON row against the generic one, up to the rounding of float32 sums.

#include "kv_dense.h"

#include <math.h>
#include <string.h>

#include "twins.h"

enum { PAGES = 3, TOKENS = 2 * KV_PAGE_TOKENS + 37, SLOTS = PAGES * KV_PAGE_TOKENS, SPARE = 5, PART_AT = 64 };

typedef struct {
    const char *name;
    size_t bytes;
    const kv_dense_kernels *fast, *plain;
    void (*encode_keys)(kv_heads heads, const float *vector, size_t slot, void *part);
    void (*encode_values)(kv_heads heads, const float *vector, size_t slot, void *part);
    void (*decode_keys)(kv_heads heads, const void *part, size_t slot, float *vector);
    void (*decode_values)(kv_heads heads, const void *part, size_t slot, float *vector);
} codec;

typedef struct {
    kv_heads heads;
    size_t head;
    kv_run keys, values;
    const void *key_pages[PAGES], *value_pages[PAGES];
    float *decoded_keys, *decoded_values;  // of one head: [slot][channel]
} fixture;

static void make_fixture(const codec *codec, kv_heads heads, fixture *f) {
    const size_t channels = heads.head_size, width = heads.kv_heads * channels;
    f->heads = heads;
    f->head = heads.kv_heads - 1;
    f->decoded_keys = twin_floats(SLOTS * channels);
    f->decoded_values = twin_floats(SLOTS * channels);
    float *vector = twin_floats(width), *decoded = twin_floats(width);
    for (size_t page = 0; page < PAGES; page++) {
        uint8_t *keys = twin_memory(PART_AT + width * KV_PAGE_TOKENS * codec->bytes, 64);
        uint8_t *values = twin_memory(PART_AT + width * KV_PAGE_TOKENS * codec->bytes, 64);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            const size_t token = page * KV_PAGE_TOKENS + slot;
            twin_fill_normal(vector, width);
            vector[slot % width] = 1e-6f;  // subnormal as f16
            vector[(slot + 5) % width] = -3000;
            codec->encode_keys(heads, vector, slot, keys + PART_AT);
            // Tokens beyond the run hold what must not reach it: they have no weight.
            if (token >= TOKENS) vector[slot % width] = token % 2 == 0 ? NAN : INFINITY;
            codec->encode_values(heads, vector, slot, values + PART_AT);
            codec->decode_keys(heads, keys + PART_AT, slot, decoded);
            memcpy(f->decoded_keys + token * channels, decoded + f->head * channels, channels * sizeof(float));
            codec->decode_values(heads, values + PART_AT, slot, decoded);
            memcpy(f->decoded_values + token * channels, decoded + f->head * channels, channels * sizeof(float));
        }
        twin_digest(keys + PART_AT, width * KV_PAGE_TOKENS * codec->bytes);
        twin_digest(values + PART_AT, width * KV_PAGE_TOKENS * codec->bytes);
        f->key_pages[page] = keys;
        f->value_pages[page] = values;
    }
    twin_digest(f->decoded_keys, SLOTS * channels * sizeof(float));
    f->keys = (kv_run){f->key_pages, PART_AT, TOKENS, 0};
    f->values = (kv_run){f->value_pages, PART_AT, TOKENS, 0};
}

static void check_score(const codec *codec, const fixture *f, size_t rows) {
    const size_t channels = f->heads.head_size, stride = SLOTS + SPARE, last = rows - 1;
    float *queries = twin_floats(rows * channels);
    float *scores = twin_floats(rows * stride - SPARE), *expected = twin_floats(rows * stride - SPARE);
    float *alone = twin_floats(SLOTS), *later = twin_floats(SLOTS - KV_PAGE_TOKENS);
    twin_fill_normal(queries, rows * channels);
    for (size_t i = 0; i + SPARE < rows * stride; i++) scores[i] = expected[i] = -7;
    codec->fast->score(f->heads, &f->keys, (uint32_t)f->head, queries, rows, scores, stride);
    codec->plain->score(f->heads, &f->keys, (uint32_t)f->head, queries, rows, expected, stride);
    for (size_t i = 0; i + SPARE < rows * stride; i++) {
        const size_t row = i / stride, token = i % stride;
        if (token >= SLOTS) {
            twin_check(scores[i] == -7, "score, %zu rows: writes beyond the pages", rows);
            continue;
        }
        double magnitude = 0;
        for (size_t c = 0; c < channels; c++) {
            magnitude += fabs((double)queries[row * channels + c] * f->decoded_keys[token * channels + c]);
        }
        twin_check(fabs((double)scores[i] - expected[i]) <= 0x1p-23 * (double)(channels + 2) * magnitude,
                   "score, row %zu of %zu, token %zu: %.9g is not %.9g", row, rows, token, scores[i], expected[i]);
    }
    codec->fast->score(f->heads, &f->keys, (uint32_t)f->head, queries + last * channels, 1, alone, SLOTS);
    twin_check(twin_same(alone, scores + last * stride, SLOTS), "score: a row of %zu is not itself alone", rows);
    const kv_run rest = {f->key_pages + 1, PART_AT, TOKENS - KV_PAGE_TOKENS, 0};
    codec->fast->score(f->heads, &rest, (uint32_t)f->head, queries + last * channels, 1, later, SLOTS);
    twin_check(twin_same(later, alone + KV_PAGE_TOKENS, SLOTS - KV_PAGE_TOKENS), "score: depends on the cut");
}

static void check_mix(const codec *codec, const fixture *f, size_t rows) {
    const size_t channels = f->heads.head_size, last = rows - 1;
    float *weights = twin_floats(rows * SLOTS);
    float *out = twin_floats(rows * channels), *expected = twin_floats(rows * channels);
    float *alone = twin_floats(channels), *cut = twin_floats(channels);
    for (size_t i = 0; i < rows * SLOTS; i++)
        weights[i] = i % SLOTS >= TOKENS || i % 11 == 0 ? 0 : twin_uniform(0, 1);
    for (size_t i = 0; i < rows * channels; i++) out[i] = expected[i] = twin_uniform(-1, 1);
    memcpy(alone, out + last * channels, channels * sizeof(float));
    memcpy(cut, alone, channels * sizeof(float));
    codec->fast->mix(f->heads, &f->values, (uint32_t)f->head, weights, rows, SLOTS, out);
    codec->plain->mix(f->heads, &f->values, (uint32_t)f->head, weights, rows, SLOTS, expected);
    for (size_t row = 0; row < rows; row++)
        for (size_t channel = 0; channel < channels; channel++) {
            double magnitude = 1;
            for (size_t token = 0; token < TOKENS; token++) {
                magnitude += fabs((double)weights[row * SLOTS + token] * f->decoded_values[token * channels + channel]);
            }
            const float got = out[row * channels + channel], wanted = expected[row * channels + channel];
            twin_check(fabs((double)got - wanted) <= 0x1p-23 * (TOKENS + 2) * magnitude,
                       "mix, row %zu of %zu, channel %zu: %.9g is not %.9g", row, rows, channel, got, wanted);
        }
    weights += last * SLOTS;
    codec->fast->mix(f->heads, &f->values, (uint32_t)f->head, weights, 1, SLOTS, alone);
    twin_check(twin_same(alone, out + last * channels, channels), "mix: a row of %zu is not itself alone", rows);
    const kv_run first = {f->value_pages, PART_AT, KV_PAGE_TOKENS, PAGES - 1};
    const kv_run rest = {f->value_pages + 1, PART_AT, TOKENS - KV_PAGE_TOKENS, 0};
    codec->fast->mix(f->heads, &first, (uint32_t)f->head, weights, 1, SLOTS, cut);
    codec->fast->mix(f->heads, &rest, (uint32_t)f->head, weights + KV_PAGE_TOKENS, 1, SLOTS, cut);
    twin_check(twin_same(alone, cut, channels), "mix: depends on the cut");
}

void twin_test_dense(bool compares) {
    const codec codecs[] = {
        {"f32", 4, kv_dense_f32_kernels_for(KV_ISA_NEON), kv_dense_f32_kernels_for(KV_ISA_GENERIC),
         kv_dense_f32_encode_keys, kv_dense_f32_encode_values, kv_dense_f32_decode_keys, kv_dense_f32_decode_values},
        {"f16", 2, kv_dense_f16_kernels_for(KV_ISA_NEON), kv_dense_f16_kernels_for(KV_ISA_GENERIC),
         kv_dense_f16_encode_keys, kv_dense_f16_encode_values, kv_dense_f16_decode_keys, kv_dense_f16_decode_values},
    };
    static const uint32_t sizes[] = {16, 32, 64, 80, 128};
    static const size_t row_counts[] = {1, 3, 16, 37};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            fixture f;
            twin_case("dense %s, head %u", codecs[i].name, sizes[j]);
            twin_seed(sizes[j] + i);
            make_fixture(&codecs[i], (kv_heads){3, sizes[j]}, &f);
            for (size_t k = 0; compares && k < sizeof row_counts / sizeof *row_counts; k++) {
                check_score(&codecs[i], &f, row_counts[k]);
                check_mix(&codecs[i], &f, row_counts[k]);
            }
            twin_release();
        }
    twin_print_digest("dense codes");
}
