// The codecs that read by need: the NEON row against the generic one, from which it differs by the order of additions only,
// and whose choices it must make.

#include <math.h>
#include <string.h>

#include "aligned8_layout.h"
#include "aligned_layout.h"
#include "twins.h"

// A tile of query tokens at the end of a context whose last page is not full.
enum { PAGES = 4, SLOTS = PAGES * KV_PAGE_TOKENS, TOKENS = SLOTS - 23, GROUP = 3, STRIDE = SLOTS, PART_AT = 192 };

typedef struct {
    kv_run keys, values;
    const void *key_pages[PAGES], *value_pages[PAGES];
    kv_aligned_tile tile;
    float *queries, *weights, *totals;
} fixture;

static double error(const float *values, const float *expected, size_t count) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)values[i] - expected[i]) * ((double)values[i] - expected[i]);
        size += (double)expected[i] * expected[i];
    }
    return sqrt(difference / (size + 1e-30));
}

static void make_fixture(fixture *f, kv_heads heads, size_t key_bytes, size_t value_bytes, size_t query_tokens) {
    const size_t rows = query_tokens * GROUP;
    for (size_t page = 0; page < PAGES; page++) {
        f->key_pages[page] = twin_memory(PART_AT + key_bytes, 64);
        f->value_pages[page] = twin_memory(PART_AT + value_bytes, 64);
    }
    f->keys = (kv_run){f->key_pages, PART_AT, TOKENS, 0};
    f->values = (kv_run){f->value_pages, PART_AT, TOKENS, 0};
    f->tile = (kv_aligned_tile){rows, GROUP, TOKENS - query_tokens, heads.kv_heads - 1};
    f->queries = twin_floats(rows * heads.head_size);
    for (size_t i = 0; i < rows * heads.head_size; i++)
        f->queries[i] = twin_normal() * (i % 5 == 0 ? 8 : i % 3 == 0 ? 0.125f : 1);
    f->weights = twin_floats(rows * STRIDE);
    f->totals = twin_floats(rows);
    for (size_t row = 0; row < rows; row++)
        for (size_t slot = 0; slot <= f->tile.position + row / GROUP; slot++) {
            const float weight = twin_uniform(0, 1);
            f->weights[row * STRIDE + slot] = weight * weight * weight * weight * (slot % 17 == 3 ? 8 : 0.25f);
            f->totals[row] += f->weights[row * STRIDE + slot];
        }
}

// A page's tokens: channels of different sizes, and what cannot be stored.
static float *make_vectors(size_t width) {
    float *vectors = twin_floats(KV_PAGE_TOKENS * width);
    twin_fill_normal(vectors, KV_PAGE_TOKENS * width);
    for (size_t i = 0; i < KV_PAGE_TOKENS * width; i++) vectors[i] *= i % width % 11 == 2 ? 20 : i % 7 == 0 ? 0.05f : 1;
    vectors[5] = NAN;
    for (size_t i = 0; i < width; i++) vectors[3 * width + i] = 0.25f;
    return vectors;
}

static void test_words(bool compares, uint32_t size, size_t query_tokens, bool is_fractional) {
    fixture f;
    kv_aligned_format keys = {.heads = {2, size}, .twelve = 4, .eight = 8}, values = keys;
    values.is_fractional = is_fractional;
    kv_aligned_resolve_keys(&keys);
    kv_aligned_resolve_values(&values);
    const size_t width = 2 * size, rows = query_tokens * GROUP;
    make_fixture(&f, keys.heads, 2 * keys.head_bytes, 2 * values.head_bytes, query_tokens);
    for (size_t page = 0; page < PAGES; page++) {
        float *vectors = make_vectors(width);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            kv_aligned_encode_keys(&keys, vectors + slot * width, slot, (uint8_t *)f.key_pages[page] + PART_AT);
            kv_aligned_encode_values(&values, vectors + slot * width, slot, (uint8_t *)f.value_pages[page] + PART_AT);
        }
        twin_digest((const uint8_t *)f.key_pages[page] + PART_AT, 2 * keys.head_bytes);
        twin_digest((const uint8_t *)f.value_pages[page] + PART_AT, 2 * values.head_bytes);
    }
    if (!compares) return;
    const kv_aligned_kernels *rows_of[2] = {kv_aligned_kernels_for(KV_ISA_GENERIC), kv_aligned_kernels_for(KV_ISA_NEON)};
    float *scores[2], *out[2];
    uint64_t read[2][KV_ALIGNED_WIDTHS] = {{0}}, estimate[2] = {0};
    kv_aligned_choice *choices[2];
    const size_t bytes = kv_aligned_query_bytes(&keys);
    uint8_t *prepared = twin_memory(rows * bytes, 64);
    for (size_t row = 0; row < rows; row++) kv_aligned_prepare(&keys, f.queries + row * size, 0.125f, prepared + row * bytes);
    uint64_t chosen[KV_ALIGNED_WIDTHS] = {0};
    kv_aligned_choose_keys(&keys, &f.keys, 0, f.tile, prepared, chosen);
    for (int row = 0; row < 2; row++) {
        scores[row] = twin_floats(rows * STRIDE);
        out[row] = twin_floats(rows * size);
        choices[row] = twin_memory(rows * sizeof(kv_aligned_choice), 16);
        rows_of[row]->score(&keys, &f.keys, 0, f.tile.head, prepared, rows, scores[row], STRIDE);
        rows_of[row]->choose_values(&values, &f.values, 0, f.tile, f.weights, STRIDE, f.totals, choices[row],
                                    &estimate[row]);
        rows_of[row]->mix(&values, &f.values, 0, f.tile.head, f.weights, rows, STRIDE, choices[row], out[row], read[row]);
    }
    twin_check(error(scores[1], scores[0], rows * STRIDE) <= 2e-6, "scores: %.3g",
               error(scores[1], scores[0], rows * STRIDE));
    twin_check(error(out[1], out[0], rows * size) <= 4e-6, "mix: %.3g", error(out[1], out[0], rows * size));
    twin_check(!memcmp(choices[0], choices[1], rows * sizeof(kv_aligned_choice)), "values are chosen otherwise");
    twin_check(!memcmp(read[0], read[1], sizeof read[0]) && estimate[0] == estimate[1], "other values are read");
}

static void test_codes(bool compares, uint32_t size, size_t query_tokens, float whole) {
    fixture f;
    kv_aligned8_format keys = {.heads = {2, size}, .whole = whole}, values = keys;
    kv_aligned8_resolve_keys(&keys);
    kv_aligned8_resolve_values(&values);
    const size_t width = 2 * size, rows = query_tokens * GROUP;
    float *decoded = twin_floats(width);
    make_fixture(&f, keys.heads, 2 * keys.head_bytes, 2 * values.head_bytes, query_tokens);
    for (size_t page = 0; page < PAGES; page++) {
        float *vectors = make_vectors(width);
        uint8_t *key_part = (uint8_t *)f.key_pages[page] + PART_AT, *value_part = (uint8_t *)f.value_pages[page] + PART_AT;
        kv_aligned8_encode_keys(&keys, vectors, key_part);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++)
            kv_aligned8_encode_values(&values, vectors + slot * width, slot, value_part);
        twin_digest(key_part, 2 * keys.head_bytes);
        twin_digest(value_part, 2 * values.head_bytes);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot += 21) {
            kv_aligned8_decode_keys(&keys, key_part, slot, decoded);
            twin_digest(decoded, width * sizeof(float));
            kv_aligned8_decode_values(&values, value_part, slot, decoded);
            twin_digest(decoded, width * sizeof(float));
        }
    }
    if (!compares) return;
    const kv_aligned8_kernels *rows_of[2] = {kv_aligned8_kernels_for(KV_ISA_GENERIC),
                                             kv_aligned8_kernels_for(KV_ISA_NEON)};
    float *scores[2], *out[2];
    uint64_t key_read[2][KV_ALIGNED8_WIDTHS] = {{0}}, read[2][KV_ALIGNED8_WIDTHS] = {{0}};
    kv_aligned8_choice *choices[2];
    const size_t bytes = kv_aligned8_query_bytes(&keys);
    uint8_t *prepared[2];
    for (int row = 0; row < 2; row++) {
        prepared[row] = twin_memory(rows * bytes, 64);
        for (size_t query = 0; query < rows; query++)
            kv_aligned8_prepare(&keys, f.queries + query * size, 0.125f, prepared[row] + query * bytes);
        rows_of[row]->choose_keys(&keys, &f.keys, 0, f.tile, prepared[row]);
        scores[row] = twin_floats(rows * STRIDE);
        out[row] = twin_floats(rows * size);
        choices[row] = twin_memory(rows * sizeof(kv_aligned8_choice), 16);
        rows_of[row]->score(&keys, &f.keys, 0, f.tile.head, prepared[row], rows, scores[row], STRIDE, key_read[row]);
        rows_of[row]->choose_values(&values, &f.values, 0, f.tile, f.weights, STRIDE, choices[row]);
        rows_of[row]->mix(&values, &f.values, 0, f.tile.head, f.weights, rows, STRIDE, choices[row], out[row], read[row]);
    }
    twin_check(!memcmp(prepared[0], prepared[1], rows * bytes), "keys are chosen otherwise");
    twin_check(error(scores[1], scores[0], rows * STRIDE) <= 2e-6, "scores: %.3g",
               error(scores[1], scores[0], rows * STRIDE));
    twin_check(error(out[1], out[0], rows * size) <= 4e-6, "mix: %.3g", error(out[1], out[0], rows * size));
    twin_check(!memcmp(choices[0], choices[1], rows * sizeof(kv_aligned8_choice)), "values are chosen otherwise");
    twin_check(!memcmp(key_read[0], key_read[1], sizeof read[0]), "other keys are read");
    twin_check(!memcmp(read[0], read[1], sizeof read[0]), "other values are read");
}

void twin_test_aligned(bool compares) {
    static const uint32_t sizes[] = {16, 64, 80, 256};
    // One, which is expanded in registers, and a tile on both sides of a page's end.
    static const size_t query_tokens[] = {1, 45};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof query_tokens / sizeof *query_tokens; j++) {
            for (int variant = 0; variant < 2; variant++) {
                twin_case("aligned words, head %u, %zu query tokens, variant %d", sizes[i], query_tokens[j], variant);
                twin_seed(sizes[i] * 10 + query_tokens[j]);
                test_words(compares, sizes[i], query_tokens[j], variant == 1);
                twin_release();
                twin_case("aligned codes, head %u, %zu query tokens, variant %d", sizes[i], query_tokens[j], variant);
                twin_seed(sizes[i] * 10 + query_tokens[j] + 1);
                test_codes(compares, sizes[i], query_tokens[j], variant == 1 ? 0x1p-5f : 0x1p-2f);
                twin_release();
            }
        }
    twin_print_digest("aligned planes and decoded vectors");
}
