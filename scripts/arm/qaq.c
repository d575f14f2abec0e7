// QAQ: the NEON row against the generic one, from which it differs by the order of additions only, with all planes and with
// different numbers of them, also in memory of their own.

#include <math.h>
#include <string.h>

#include "qaq_layout.h"
#include "twins.h"

enum { PAGES = 2, TOKENS = KV_PAGE_TOKENS + 37, SLOTS = PAGES * KV_PAGE_TOKENS, MOST_ROWS = 13, SPARE = 5 };
enum { PART_AT = 192 };

typedef struct {
    kv_qaq_format format;
    kv_run run;
    const void *pages[PAGES];
    size_t head;
} fixture;

static void make_fixture(fixture *f, kv_qaq_format format, bool drops) {
    kv_qaq_format_resolve(&format);
    f->format = format;
    const size_t width = format.heads.kv_heads * format.heads.head_size;
    float *vectors = twin_floats(SLOTS * width), *decoded = twin_floats(width);
    twin_fill_normal(vectors, SLOTS * width);
    for (size_t i = 0; i < SLOTS * width; i++) vectors[i] *= i % 61 == 17 ? 20 : 1;
    vectors[7] = NAN;
    // Kept apart where outliers are; else it would leave the others no digits.
    if (format.low_outliers > 0) vectors[8] = -INFINITY;
    for (size_t i = 0; i < width; i++) vectors[3 * width + i] = 0.25f;
    for (size_t page = 0; page < PAGES; page++) {
        // Planes end where reading on would fault.
        uint8_t *memory = twin_memory(PART_AT + format.fixed_bytes, 64), *part = memory + PART_AT;
        ((kv_qaq_header *)part)->planes = twin_memory(format.planes_bytes, 16);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++)
            kv_qaq_encode(&format, vectors + (page * KV_PAGE_TOKENS + slot) * width, slot, part);
        uint8_t bits[KV_PAGE_TOKENS * 8];
        for (size_t i = 0; i < format.units * KV_PAGE_TOKENS; i++)
            bits[i] = drops ? (uint8_t)(twin_bits() % (format.max_bits + 1)) : (uint8_t)format.max_bits;
        uint8_t *own = twin_memory(kv_qaq_planes_bytes(&format, bits), 2);
        kv_qaq_drop(&format, bits, part);
        memcpy(own, ((kv_qaq_header *)part)->planes, kv_qaq_planes_bytes(&format, bits));
        ((kv_qaq_header *)part)->planes = own;
        twin_digest(part + sizeof(kv_qaq_header), format.fixed_bytes - sizeof(kv_qaq_header));
        twin_digest(own, kv_qaq_planes_bytes(&format, bits));
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot += 21) {
            kv_qaq_decode(&format, part, slot, decoded);
            twin_digest(decoded, width * sizeof(float));
        }
        f->pages[page] = memory;
    }
    f->run = (kv_run){f->pages, PART_AT, TOKENS, 0};
    f->head = format.heads.kv_heads - 1;
}

static double error(const float *values, const float *expected, size_t count) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)values[i] - expected[i]) * ((double)values[i] - expected[i]);
        size += (double)expected[i] * expected[i];
    }
    return sqrt(difference / (size + 1e-30));
}

static void check(const fixture *f, size_t rows) {
    const kv_qaq_format *format = &f->format;
    const kv_qaq_kernels *fast = kv_qaq_kernels_for(KV_ISA_NEON), *plain = kv_qaq_kernels_for(KV_ISA_GENERIC);
    const size_t stride = SLOTS + SPARE, channels = format->heads.head_size, count = rows * stride - SPARE;
    float *queries = twin_floats(rows * channels), *scores = twin_floats(count), *expected = twin_floats(count);
    twin_fill_normal(queries, rows * channels);
    for (size_t i = 0; i < count; i++) scores[i] = expected[i] = -7;
    fast->score(format, &f->run, (uint32_t)f->head, queries, rows, scores, stride);
    plain->score(format, &f->run, (uint32_t)f->head, queries, rows, expected, stride);
    for (size_t i = 0; i < count; i++)
        if (i % stride >= SLOTS) twin_check(scores[i] == -7, "score, %zu rows: writes beyond the pages", rows);
    twin_check(error(scores, expected, count) <= 2e-6, "score, %zu rows: %.3g", rows, error(scores, expected, count));
    float *alone = twin_floats(SLOTS);
    fast->score(format, &f->run, (uint32_t)f->head, queries + (rows - 1) * channels, 1, alone, SLOTS);
    twin_check(twin_same(alone, scores + (rows - 1) * stride, SLOTS), "score: a row of %zu is not itself alone", rows);

    float *weights = twin_floats(count), *out = twin_floats(rows * channels), *twin = twin_floats(rows * channels);
    for (size_t i = 0; i < count; i++) weights[i] = i % stride < TOKENS ? twin_uniform(0, 1) : 0;
    fast->mix(format, &f->run, (uint32_t)f->head, weights, rows, stride, out);
    plain->mix(format, &f->run, (uint32_t)f->head, weights, rows, stride, twin);
    twin_check(error(out, twin, rows * channels) <= 4e-6, "mix, %zu rows: %.3g", rows, error(out, twin, rows * channels));
    float *last = twin_floats(channels);
    fast->mix(format, &f->run, (uint32_t)f->head, weights + (rows - 1) * stride, 1, stride, last);
    twin_check(twin_same(last, out + (rows - 1) * channels, channels), "mix: a row of %zu is not itself alone", rows);
}

void twin_test_qaq(bool compares) {
    static const uint32_t widths[] = {1, 4, 6, 8}, sizes[] = {16, 64, 80, 256}, outliers[] = {0, 1, 3};
    static const size_t row_counts[] = {1, 3, 4, MOST_ROWS};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            for (size_t k = 0; k < sizeof outliers / sizeof *outliers; k++)
                for (uint32_t together = 1; together <= 3; together += 2) {
                    fixture f;
                    twin_case("qaq of %u bits, head %u, %u outliers, units of %u", widths[i], sizes[j], outliers[k],
                              together);
                    twin_seed(widths[i] * 1000 + sizes[j] + outliers[k] * 7 + together);
                    make_fixture(&f,
                                 (kv_qaq_format){.heads = {3, sizes[j]}, .heads_per_unit = together,
                                                 .max_bits = widths[i], .low_outliers = outliers[k],
                                                 .high_outliers = outliers[k]},
                                 (i + j + k) % 4 != 0);
                    for (size_t n = 0; compares && n < sizeof row_counts / sizeof *row_counts; n++)
                        check(&f, row_counts[n]);
                    twin_release();
                }
    twin_print_digest("qaq planes and decoded vectors");
}
