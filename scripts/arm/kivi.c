// KIVI's keys: the NEON row against a model of the integer arithmetic, from which it differs by float32 rounding only,
// and against the generic row, from which it differs by the rounding of queries besides.

#include <math.h>
#include <string.h>

#include "kivi_layout.h"
#include "twins.h"

enum { PAGES = 3, TOKENS = 2 * KV_PAGE_TOKENS + 37, SLOTS = PAGES * KV_PAGE_TOKENS, MOST_ROWS = 37, SPARE = 5 };
enum { PART_AT = 192 };

typedef struct {
    kv_kivi_format format;
    kv_run keys;
    const void *pages[PAGES];
    float *queries;
    size_t head;
} fixture;

static void make_fixture(fixture *f, kv_kivi_format format) {
    kv_kivi_format_resolve(&format);
    f->format = format;
    const size_t channels = format.heads.head_size, width = format.heads.kv_heads * channels;
    float *vectors = twin_floats(SLOTS * width), *decoded = twin_floats(width);
    twin_fill_normal(vectors, SLOTS * width);
    // Channels of different sizes, one that is constant, and a NaN.
    for (size_t i = 0; i < SLOTS * width; i++) vectors[i] = i % width == 5 ? 0.3f : vectors[i] * (float)(1 + i % 7);
    vectors[7] = NAN;
    vectors[8] = -INFINITY;
    for (size_t page = 0; page < PAGES; page++) {
        uint8_t *memory = twin_memory(PART_AT + format.part_bytes, 64);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot += format.group)
            kv_kivi_encode(&format, vectors + (page * KV_PAGE_TOKENS + slot) * width, slot, memory + PART_AT);
        twin_digest(memory + PART_AT, format.part_bytes);
        f->pages[page] = memory;
    }
    f->keys = (kv_run){f->pages, PART_AT, TOKENS, 0};
    for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot += 21) {
        kv_kivi_decode(&format, kv_run_part(&f->keys, 1), slot, decoded);
        twin_digest(decoded, width * sizeof(float));
    }
    f->head = format.heads.kv_heads - 1;
    f->queries = twin_floats(MOST_ROWS * channels);
    twin_fill_normal(f->queries, MOST_ROWS * channels);
}

typedef struct {
    double value;
    double magnitude;  // the sum of the magnitudes of its parts, which float32 rounding is relative to
    double rounding;   // how far the rounding of the query may have moved it
} model;

// One score by the integers the kernel works with.
static model model_score(const fixture *f, size_t row, size_t token) {
    const kv_kivi_format *format = &f->format;
    const size_t channels = format->heads.head_size, unit = channels % 32 == 0 ? 32 : 16;
    const size_t slot = token % KV_PAGE_TOKENS;
    const uint8_t *part = kv_run_part(&f->keys, token / KV_PAGE_TOKENS);
    const uint16_t *scales = (const uint16_t *)(part + kv_kivi_scales_at(format, f->head, slot / format->group));
    const float *query = f->queries + row * channels;
    const double middle = ((1 << format->bits) - 1) / 2.0;
    model score = {0, 0, 0};
    for (size_t first = 0; first < channels; first += unit) {
        float largest = 0;
        for (size_t channel = first; channel < first + unit; channel++)
            largest = fmaxf(largest, fabsf(query[channel] * kv_f16_to_f32(scales[channel])));
        for (size_t channel = first; channel < first + unit; channel++) {
            const float scale = kv_f16_to_f32(scales[channel]), zero = kv_f16_to_f32(scales[channels + channel]);
            const float key = kv_kivi_key(format, part, f->head, slot, channel);
            const double code = scale == 0 ? 0 : round(((double)key - zero) / scale);
            const float product = query[channel] * scale, inverse = largest > 1e-30f ? 127.0f / largest : 0;
            const double folded = nearbyintf(product * inverse) * (double)largest / 127;
            const double term = folded * (code - middle), constant = query[channel] * (zero + middle * scale);
            score.value += term + constant;
            // What is added and taken away again counts too.
            score.magnitude +=
                fabs(folded) * (code + 2 * middle) + fabs(query[channel]) * (fabs(zero) + scale * middle);
            score.rounding += 0.501 * largest / 127 * fabs(code - middle);
        }
    }
    return score;
}

static void check_score(const fixture *f, size_t rows) {
    const kv_kivi_format *format = &f->format;
    const kv_kivi_score fast = kv_kivi_score_for(KV_ISA_NEON, format->bits);
    const kv_kivi_score plain = kv_kivi_score_for(KV_ISA_GENERIC, format->bits);
    const size_t stride = SLOTS + SPARE, channels = format->heads.head_size;
    // The last row ends at the last page's end: writing on would fault.
    float *scores = twin_floats(rows * stride - SPARE), *expected = twin_floats(rows * stride - SPARE);
    for (size_t i = 0; i < rows * stride - SPARE; i++) scores[i] = expected[i] = -7;
    fast(format, &f->keys, (uint32_t)f->head, f->queries, rows, scores, stride);
    plain(format, &f->keys, (uint32_t)f->head, f->queries, rows, expected, stride);
    for (size_t i = 0; i + SPARE < rows * stride; i++)
        if (i % stride >= SLOTS) twin_check(scores[i] == -7, "score, %zu rows: writes beyond the pages", rows);
    for (size_t row = 0; row < rows; row += rows > 3 ? 5 : 1)
        for (size_t token = 0; token < SLOTS; token += 1 + token % 3) {
            const model score = model_score(f, row, token);
            const double got = scores[row * stride + token], plainly = expected[row * stride + token];
            twin_check(fabs(got - score.value) <= 0x1p-20 * score.magnitude,
                       "score, row %zu of %zu, token %zu: %.9g is not %.9g", row, rows, token, got, score.value);
            twin_check(fabs(got - plainly) <= score.rounding + 0x1p-18 * score.magnitude,
                       "score, row %zu of %zu, token %zu: %.9g, generic %.9g", row, rows, token, got, plainly);
        }
    float *alone = twin_floats(SLOTS), *later = twin_floats(SLOTS - KV_PAGE_TOKENS);
    const float *last = f->queries + (rows - 1) * channels;
    fast(format, &f->keys, (uint32_t)f->head, last, 1, alone, SLOTS);
    twin_check(twin_same(alone, scores + (rows - 1) * stride, SLOTS), "score: a row of %zu is not itself alone", rows);
    const kv_run rest = {f->pages + 1, PART_AT, TOKENS - KV_PAGE_TOKENS, 0};
    fast(format, &rest, (uint32_t)f->head, last, 1, later, SLOTS);
    twin_check(twin_same(later, alone + KV_PAGE_TOKENS, SLOTS - KV_PAGE_TOKENS), "score: depends on the cut");
}

void twin_test_kivi(bool compares) {
    static const uint32_t widths[] = {2, 4}, sizes[] = {16, 32, 64, 80, 96, 128}, groups[] = {16, 32, 64};
    static const size_t row_counts[] = {1, 3, 16, MOST_ROWS};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            for (size_t k = 0; k < sizeof groups / sizeof *groups; k++) {
                fixture f;
                twin_case("kivi of %u bits, head %u, group %u", widths[i], sizes[j], groups[k]);
                twin_seed(widths[i] * 1000 + sizes[j] + groups[k]);
                make_fixture(&f, (kv_kivi_format){.heads = {3, sizes[j]}, .bits = widths[i], .group = groups[k]});
                for (size_t n = 0; compares && n < sizeof row_counts / sizeof *row_counts; n++)
                    check_score(&f, row_counts[n]);
                twin_release();
            }
    twin_print_digest("kivi keys and decoded vectors");
}
