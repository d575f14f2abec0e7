// Coupled quantization: the NEON row against the generic one. Codes are the same; scores and sums differ by the order and
// the rounding of float32 additions.

#include <math.h>
#include <string.h>

#include "coupled_layout.h"
#include "twins.h"

enum { PAGES = 3, TOKENS = 2 * KV_PAGE_TOKENS + 37, SLOTS = PAGES * KV_PAGE_TOKENS, MOST_ROWS = 17, SPARE = 5 };
enum { PART_AT = 192 };

typedef struct {
    kv_coupled_format format;
    kv_coupled_turns turns;
    kv_run run;
    const void *pages[PAGES];
    float *queries, *weights;
    uint32_t head;
} fixture;

static void make_tables(kv_coupled_format *format) {
    const size_t centroids = kv_coupled_centroids(format), groups = format->heads.kv_heads * format->groups;
    uint16_t *rows = twin_memory(groups * centroids * format->padded * 2, 64);
    uint16_t *columns = twin_memory(groups * centroids * format->channels * 2, 64);
    float *half_norms = twin_floats(groups * centroids);
    for (size_t group = 0; group < groups; group++)
        for (size_t j = 0; j < centroids; j++) {
            float square = 0;
            for (size_t i = 0; i < format->channels; i++) {
                const uint16_t half = kv_f32_to_f16(twin_normal());
                rows[(group * centroids + j) * format->padded + i] = half;
                columns[(group * format->channels + i) * centroids + j] = half;
                square += kv_f16_to_f32(half) * kv_f16_to_f32(half);
            }
            half_norms[group * centroids + j] = square / 2;
        }
    format->rows = rows, format->columns = columns, format->half_norms = half_norms;
}

// Unit vectors of any angles: nothing here depends on which.
static kv_coupled_turns make_turns(uint32_t pairs, bool halves) {
    float *within = twin_floats(pairs * 2 * KV_PAGE_TOKENS), *pages = twin_floats(PAGES * 2 * pairs);
    for (uint32_t pair = 0; pair < pairs; pair++) {
        for (size_t i = 0; i < KV_PAGE_TOKENS + PAGES; i++) {
            const float c = twin_uniform(-1, 1), s = sqrtf(1 - c * c);
            if (i < KV_PAGE_TOKENS)
                within[pair * 2 * KV_PAGE_TOKENS + i] = c, within[(pair * 2 + 1) * KV_PAGE_TOKENS + i] = s;
            else
                pages[(i - KV_PAGE_TOKENS) * 2 * pairs + pair] = c,
                                               pages[((i - KV_PAGE_TOKENS) * 2 + 1) * pairs + pair] = s;
        }
    }
    return (kv_coupled_turns){pairs, halves, within, pages};
}

static void make_fixture(fixture *f, kv_coupled_format format, const kv_coupled_kernels *kernels) {
    kv_coupled_format_resolve(&format);
    make_tables(&format);
    f->format = format;
    f->turns = make_turns(format.heads.head_size / 2 - format.heads.head_size % 3, format.bits % 2 == 0);
    const size_t channels = format.heads.head_size, width = format.heads.kv_heads * channels;
    float *vectors = twin_floats(SLOTS * width);
    twin_fill_normal(vectors, SLOTS * width);
    vectors[3] = NAN;
    kv_coupled_sanitise(vectors, SLOTS * width);
    for (size_t page = 0; page < PAGES; page++) {
        uint8_t *memory = twin_memory(PART_AT + format.part_bytes, 64);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++)
            kernels->encode(&format, vectors + (page * KV_PAGE_TOKENS + slot) * width, slot, memory + PART_AT);
        twin_digest(memory + PART_AT, format.part_bytes);
        f->pages[page] = memory;
    }
    f->run = (kv_run){f->pages, PART_AT, TOKENS, 0};
    f->head = format.heads.kv_heads - 1;
    f->queries = twin_floats(MOST_ROWS * channels);
    twin_fill_normal(f->queries, MOST_ROWS * channels);
    f->weights = twin_floats(MOST_ROWS * SLOTS);
    for (size_t i = 0; i < MOST_ROWS * SLOTS; i++) f->weights[i] = i % SLOTS < TOKENS ? twin_uniform(0, 1) : 0;
}

static void check_near(const char *what, const float *got, const float *expected, size_t count, float scale) {
    for (size_t i = 0; i < count; i++)
        twin_check(fabsf(got[i] - expected[i]) <= 2e-6f * scale, "%s %zu: %.9g, generic %.9g", what, i, got[i], expected[i]);
}

static void check_rows(const fixture *f, size_t rows) {
    const kv_coupled_kernels *fast = kv_coupled_kernels_for(KV_ISA_NEON), *plain = kv_coupled_kernels_for(KV_ISA_GENERIC);
    const size_t channels = f->format.heads.head_size;
    float *scores = twin_floats(rows * SLOTS), *expected = twin_floats(rows * SLOTS), *alone = twin_floats(SLOTS);
    fast->score(&f->format, &f->turns, &f->run, 0, f->head, f->queries, rows, scores, SLOTS);
    plain->score(&f->format, &f->turns, &f->run, 0, f->head, f->queries, rows, expected, SLOTS);
    check_near("score", scores, expected, rows * SLOTS, 4 * (float)channels);
    fast->score(&f->format, &f->turns, &f->run, 0, f->head, f->queries + (rows - 1) * channels, 1, alone, SLOTS);
    twin_check(twin_same(alone, scores + (rows - 1) * SLOTS, SLOTS), "score: a row of %zu is not itself alone", rows);

    const size_t count = f->format.groups << f->format.bits;
    float *products = twin_floats(rows * count), *plainly = twin_floats(rows * count);
    for (size_t row = 0; row < rows; row++) {
        fast->products(&f->format, f->head, f->queries + row * channels, 0.5f, products + row * count);
        plain->products(&f->format, f->head, f->queries + row * channels, 0.5f, plainly + row * count);
    }
    fast->score_products(&f->format, &f->run, f->head, products, rows, scores, SLOTS);
    plain->score_products(&f->format, &f->run, f->head, plainly, rows, expected, SLOTS);
    check_near("sum of products", scores, expected, rows * SLOTS, 4 * (float)channels);

    float *sums = twin_floats(rows * channels), *plain_sums = twin_floats(rows * channels);
    fast->mix(&f->format, &f->run, f->head, f->weights, rows, SLOTS, sums);
    plain->mix(&f->format, &f->run, f->head, f->weights, rows, SLOTS, plain_sums);
    check_near("mix", sums, plain_sums, rows * channels, TOKENS);
    memset(alone, 0, channels * sizeof(float));
    fast->mix(&f->format, &f->run, f->head, f->weights + (rows - 1) * SLOTS, 1, SLOTS, alone);
    twin_check(twin_same(alone, sums + (rows - 1) * channels, channels), "mix: a row of %zu is not itself alone", rows);
}

void twin_test_coupled(bool compares) {
    static const struct {
        uint32_t channels, bits, head_size;
    } cases[] = {{1, 4, 48}, {2, 8, 64}, {3, 7, 96}, {4, 8, 80}, {5, 5, 80}, {8, 8, 128}, {8, 10, 64}, {16, 9, 64}};
    static const size_t row_counts[] = {1, 3, MOST_ROWS};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        twin_case("%uc%ub, head %u", cases[i].channels, cases[i].bits, cases[i].head_size);
        twin_seed(100 * cases[i].channels + cases[i].bits);
        // Bytes are digested of this machine's own row, so that those of Arm are compared with the generic ones elsewhere.
        make_fixture(&f, (kv_coupled_format){.heads = {2, cases[i].head_size}, .channels = cases[i].channels,
                                             .bits = cases[i].bits},
                     kv_coupled_kernels_for(compares ? KV_ISA_NEON : KV_ISA_GENERIC));
        for (size_t n = 0; compares && n < sizeof row_counts / sizeof *row_counts; n++) check_rows(&f, row_counts[n]);
        twin_release();
    }
    twin_print_digest("codes of coupled quantization");
}
