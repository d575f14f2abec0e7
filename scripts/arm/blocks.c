// Codes of 1 to 8 bits: the NEON row against a model of the integer arithmetic, from which it differs by float32
// rounding only, and against the generic row, from which it differs by the rounding of levels, queries and weights besides.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blocks_layout.h"
#include "kv_block_codes.h"
#include "twins.h"

enum { PAGES = 3, TOKENS = 2 * KV_PAGE_TOKENS + 37, SLOTS = PAGES * KV_PAGE_TOKENS, MOST_ROWS = 37, SPARE = 5 };

// Nearest levels; the scale takes the sign of the largest value where it may, as the signed quantizers do.
static void quantize(const kv_block_format *format, const float *values, size_t count, uint8_t *codes, float *scale,
                     float *offset) {
    const bool bytes = format->bits == 8;
    const int last = bytes ? 255 : (1 << format->bits) - 1;
    const float low = bytes ? -128 : format->levels[0], high = bytes ? 127 : format->levels[last];
    float least = values[0], most = values[0];
    for (size_t i = 1; i < count; i++) {
        least = fminf(least, values[i]);
        most = fmaxf(most, values[i]);
    }
    if (format->has_offsets) {
        *scale = kv_block_round_scale(format, (most - least) / (high - low));
        const float reach = low * *scale;
        *offset = kv_block_round_scale(format, least - reach);
        if (format->signed_scales && count % 64 == 0) {
            // The mirror image: the same values from the other end.
            *offset = kv_block_round_scale(format, most + reach);
            *scale = -*scale;
        }
    } else {
        const float largest = -least > most ? least : most;
        *scale = format->signed_scales ? largest / low : fabsf(largest) / fminf(-low, high);
        *scale = kv_block_round_scale(format, *scale);
    }
    for (size_t i = 0; i < count; i++) {
        const float value = *scale == 0 ? 0 : (values[i] - *offset) / *scale;
        if (bytes) {
            const float nearest = floorf(value + 0.5f);
            codes[i] = (uint8_t)(int8_t)fminf(fmaxf(nearest, low), high);
            continue;
        }
        int best = 0;
        for (int code = 1; code <= last; code++) {
            if (fabsf(format->levels[code] - value) < fabsf(format->levels[best] - value)) best = code;
        }
        codes[i] = *scale == 0 ? (uint8_t)format->zero_code : (uint8_t)best;
    }
}

// The library's quantizer for such a format, so that each has its turn; -1 for the one above.
static int library_quantizer(const kv_block_format *format) {
    const bool is_odd = format->wide_scales == (format->block % 64 == 0);
    if (format->has_offsets) {
        if (format->signed_scales || format->bits == 8) return -1;
        return is_odd ? KV_QUANTIZE_STORED_RANGE : KV_QUANTIZE_MINIMUM_AND_RANGE;
    }
    if (format->signed_scales) return format->bits == 5 ? KV_QUANTIZE_SIGNED_ABSMAX : -1;
    if (format->bits == 8) return is_odd ? KV_QUANTIZE_ROUNDED_INTEGERS : -1;
    if (format->bits == 5) return -1;
    return format->bits > 1 && is_odd ? KV_QUANTIZE_ABSMAX : KV_QUANTIZE_FITTED;
}

static kv_block_format make_format(uint32_t bits, kv_heads heads, uint32_t block, bool has_offsets, bool wide,
                                   bool is_signed) {
    kv_block_format format = {.heads = heads, .block = block, .bits = bits, .has_offsets = has_offsets,
                              .wide_scales = wide, .signed_scales = is_signed, .quantize = quantize};
    const int levels = bits == 8 ? 0 : 1 << bits;
    for (int i = 0; i < levels; i++) {
        const float place = (float)(2 * i) / (float)(levels - 1), x = place - 1;
        const float square = x * x, curve = 0.4f * square;
        const bool counts = has_offsets || bits == 5;
        format.levels[i] = counts ? (float)(i - (has_offsets ? 0 : levels / 2)) : x * (0.6f + curve);
        if (bits <= 4) format.level_codes[i] = (int8_t)(counts ? (float)i : roundf(format.levels[i] * 127));
    }
    for (int i = 0; i + 1 < levels; i++) format.thresholds[i] = (format.levels[i] + format.levels[i + 1]) / 2;
    format.level_unit = has_offsets ? 1 : 1 / 127.0f;
    format.zero_code = (uint32_t)(has_offsets ? 0 : levels / 2);
    format.reach = 2;
    const int library = library_quantizer(&format);
    if (library >= 0) format.quantize = kv_block_quantizer_for(KV_ISA_NEON, (kv_quantization)library);
    kv_block_format_resolve(&format);
    return format;
}

// The level as the integer kernels see it.
static double level_of(const kv_block_format *format, unsigned code) {
    if (format->bits == 8) return (int8_t)code;
    if (format->bits == 5) return format->levels[code];
    return (double)format->level_codes[code] * format->level_unit;
}

typedef struct {
    kv_block_format format;
    kv_run keys, values;
    const void *key_pages[PAGES], *value_pages[PAGES];
    float *queries, *weights;
    uint8_t *prepared;
    size_t head;
} fixture;

enum { PART_AT = 192 };

static void fill_part(const kv_block_format *format, bool is_keys, const void **pages, const float *vectors) {
    const size_t width = (size_t)format->heads.kv_heads * format->heads.head_size;
    for (size_t page = 0; page < PAGES; page++) {
        uint8_t *memory = twin_memory(PART_AT + format->part_bytes, 64);
        // Slots beyond the run hold tokens too, as after a sequence was cut back.
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            const float *vector = vectors + (page * KV_PAGE_TOKENS + slot) * width;
            (is_keys ? kv_block_encode_keys : kv_block_encode_values)(format, vector, slot, memory + PART_AT);
        }
        twin_digest(memory + PART_AT, format->part_bytes);
        pages[page] = memory;
    }
}

static void make_fixture(fixture *f, kv_block_format format) {
    f->format = format;
    const size_t channels = format.heads.head_size, width = format.heads.kv_heads * channels;
    float *vectors = twin_floats(SLOTS * width), *decoded = twin_floats(width);
    twin_fill_normal(vectors, SLOTS * width);
    // A whole token of zeros, and blocks whose scales differ much.
    memset(vectors + 3 * width, 0, width * sizeof(float));
    for (size_t i = 0; i < SLOTS * width; i++) vectors[i] *= i / 32 % 3 == 0 ? 0.25f : 1.5f;
    fill_part(&f->format, true, f->key_pages, vectors);
    fill_part(&f->format, false, f->value_pages, vectors);
    f->keys = (kv_run){f->key_pages, PART_AT, TOKENS, 0};
    f->values = (kv_run){f->value_pages, PART_AT, TOKENS, 0};
    for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot += 21) {
        kv_block_decode_keys(&f->format, kv_run_part(&f->keys, 1), slot, decoded);
        twin_digest(decoded, width * sizeof(float));
        float *again = twin_floats(width);
        kv_block_decode_values(&f->format, kv_run_part(&f->values, 1), slot, again);
        twin_check(twin_same(decoded, again, width), "keys and values of token %zu decode differently", slot);
    }
    f->head = format.heads.kv_heads - 1;
    f->queries = twin_floats(MOST_ROWS * channels);
    twin_fill_normal(f->queries, MOST_ROWS * channels);
    f->prepared = twin_memory(MOST_ROWS * format.query_bytes, 64);
    for (size_t row = 0; row < MOST_ROWS; row++) {
        kv_block_prepare_query(&f->format, f->queries + row * channels, 0.125f, f->prepared + row * format.query_bytes);
    }
    twin_digest(f->prepared, MOST_ROWS * format.query_bytes);
    // Weights of very different sizes, zero beyond the run and here and there within it.
    f->weights = twin_floats(MOST_ROWS * SLOTS);
    for (size_t i = 0; i < MOST_ROWS * SLOTS; i++) {
        const float w = twin_uniform(0, 1);
        f->weights[i] = i % SLOTS >= TOKENS || i % 11 == 0 ? 0 : i % 7 == 0 ? w : w * w * 0.01f;
    }
}

typedef struct {
    double value;
    double magnitude;  // the sum of the magnitudes of its parts, which float32 rounding is relative to
    double rounding;   // how far the rounding to integers may have moved it
} model;

// What a level differs by from the one the generic row takes.
static double level_error(const kv_block_format *format, unsigned code) {
    return format->bits == 8 ? 0 : fabs(level_of(format, code) - format->levels[code]);
}

// One score by the integers the kernels work with.
static model model_score(const fixture *f, size_t row, size_t token) {
    const kv_block_format *format = &f->format;
    const kv_block_query query = kv_block_query_at(format, f->prepared, row);
    const size_t slot = token % KV_PAGE_TOKENS;
    const uint8_t *part = kv_run_part(&f->keys, token / KV_PAGE_TOKENS);
    model score = {0, 0, 0};
    for (size_t first = 0, unit = 0; first < format->heads.head_size; first += format->unit, unit++) {
        const size_t block = kv_block_of(format, f->head, first);
        const double scale = kv_block_number(format, kv_block_scales(format, part, block), slot);
        const double offset =
            format->has_offsets ? kv_block_number(format, kv_block_offsets(format, part, block), slot) : 0;
        double dot = 0;
        for (size_t channel = first; channel < first + format->unit; channel++) {
            const unsigned code = kv_block_code(format, part, f->head, kv_key_place(format, slot, channel));
            const double level = level_of(format, code);
            dot += query.codes[channel] * level;
            // The offset is multiplied by the query as rounded, too.
            score.rounding += 0.501 * query.scales[unit] * fabs(scale * level + offset) +
                              fabs(scale * query.values[channel]) * level_error(format, code);
        }
        double term = dot * scale * query.scales[unit];
        score.value += term;
        score.magnitude += fabs(term);
        if (!format->has_offsets) continue;
        term = offset * query.sums[unit];
        score.value += term;
        score.magnitude += fabs(term);
    }
    return score;
}

static void check_score(const fixture *f, size_t rows) {
    const kv_block_format *format = &f->format;
    const kv_block_kernels fast = kv_block_kernels_for(KV_ISA_NEON, format->bits);
    const kv_block_kernels plain = kv_block_kernels_for(KV_ISA_GENERIC, format->bits);
    const size_t stride = SLOTS + SPARE;
    // The last row ends at the last page's end: writing on would fault.
    float *scores = twin_floats(rows * stride - SPARE), *expected = twin_floats(rows * stride - SPARE);
    for (size_t i = 0; i < rows * stride - SPARE; i++) scores[i] = expected[i] = -7;
    fast.score(format, &f->keys, (uint32_t)f->head, f->prepared, rows, scores, stride);
    plain.score(format, &f->keys, (uint32_t)f->head, f->prepared, rows, expected, stride);
    for (size_t i = 0; i + SPARE < rows * stride; i++)
        if (i % stride >= SLOTS) twin_check(scores[i] == -7, "score, %zu rows: writes beyond the pages", rows);
    const double units = format->heads.head_size / format->unit;
    for (size_t row = 0; row < rows; row += rows > 3 ? 5 : 1)
        for (size_t token = 0; token < SLOTS; token += 1 + token % 3) {
            const model score = model_score(f, row, token);
            const double got = scores[row * stride + token], plainly = expected[row * stride + token];
            twin_check(fabs(got - score.value) <= 0x1p-24 * (3 * units + 8) * score.magnitude,
                       "score, row %zu of %zu, token %zu: %.9g is not %.9g", row, rows, token, got, score.value);
            twin_check(fabs(got - plainly) <= score.rounding + 0x1p-18 * score.magnitude,
                       "score, row %zu of %zu, token %zu: %.9g, generic %.9g", row, rows, token, got, plainly);
        }
    float *alone = twin_floats(SLOTS), *later = twin_floats(SLOTS - KV_PAGE_TOKENS);
    const uint8_t *last = f->prepared + (rows - 1) * format->query_bytes;
    fast.score(format, &f->keys, (uint32_t)f->head, last, 1, alone, SLOTS);
    twin_check(twin_same(alone, scores + (rows - 1) * stride, SLOTS), "score: a row of %zu is not itself alone", rows);
    const kv_run rest = {f->key_pages + 1, PART_AT, TOKENS - KV_PAGE_TOKENS, 0};
    fast.score(format, &rest, (uint32_t)f->head, last, 1, later, SLOTS);
    twin_check(twin_same(later, alone + KV_PAGE_TOKENS, SLOTS - KV_PAGE_TOKENS), "score: depends on the cut");
}

// One mixed value by the levels the kernels work with; they round weights to 1/16256 of the largest of a page.
static model model_mix(const fixture *f, size_t row, size_t channel, double start, double *level_errors) {
    const kv_block_format *format = &f->format;
    const size_t block = kv_block_of(format, f->head, channel);
    model mixed = {start, fabs(start), 0};
    *level_errors = 0;
    for (size_t page = 0; page < PAGES; page++) {
        const uint8_t *part = kv_run_part(&f->values, page);
        double largest = 0, levels = 0;
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            const double weight = f->weights[row * SLOTS + page * KV_PAGE_TOKENS + slot];
            if (weight == 0) continue;
            const double scaled = weight * kv_block_number(format, kv_block_scales(format, part, block), slot);
            const unsigned code = kv_block_code(format, part, f->head, kv_value_place(slot, channel));
            const double level = level_of(format, code);
            mixed.value += scaled * level;
            mixed.magnitude += fabs(scaled * level);
            largest = fmax(largest, fabs(scaled));
            levels += fabs(level);
            *level_errors += fabs(scaled) * level_error(format, code);
            if (!format->has_offsets) continue;
            const double term = weight * kv_block_number(format, kv_block_offsets(format, part, block), slot);
            mixed.value += term;
            mixed.magnitude += fabs(term);
        }
        mixed.rounding += 0.502 * largest / 16256 * levels;
    }
    mixed.rounding += 0x1p-20 * mixed.magnitude;
    return mixed;
}

static void check_mix(const fixture *f, size_t rows) {
    const kv_block_format *format = &f->format;
    const kv_block_kernels fast = kv_block_kernels_for(KV_ISA_NEON, format->bits);
    const kv_block_kernels plain = kv_block_kernels_for(KV_ISA_GENERIC, format->bits);
    const size_t channels = format->heads.head_size;
    float *start = twin_floats(rows * channels), *out = twin_floats(rows * channels);
    float *expected = twin_floats(rows * channels), *alone = twin_floats(channels), *cut = twin_floats(channels);
    for (size_t i = 0; i < rows * channels; i++) start[i] = out[i] = expected[i] = twin_uniform(-0.1f, 0.1f);
    const size_t last = rows - 1;
    memcpy(alone, start + last * channels, channels * sizeof(float));
    memcpy(cut, alone, channels * sizeof(float));
    fast.mix(format, &f->values, (uint32_t)f->head, f->weights, rows, SLOTS, out);
    plain.mix(format, &f->values, (uint32_t)f->head, f->weights, rows, SLOTS, expected);
    for (size_t i = 0; i < rows * channels; i += rows > 3 ? 3 : 1) {
        double level_errors;
        const model mixed = model_mix(f, i / channels, i % channels, start[i], &level_errors);
        twin_check(fabs(out[i] - mixed.value) <= mixed.rounding,
                   "mix, row %zu of %zu, channel %zu: %.9g is not %.9g within %.2g", i / channels, rows, i % channels,
                   out[i], mixed.value, mixed.rounding);
        twin_check(fabs((double)out[i] - expected[i]) <= mixed.rounding + level_errors + 0x1p-18 * mixed.magnitude,
                   "mix, row %zu of %zu, channel %zu: %.9g, generic %.9g", i / channels, rows, i % channels, out[i],
                   expected[i]);
    }
    const float *weights = f->weights + last * SLOTS;
    fast.mix(format, &f->values, (uint32_t)f->head, weights, 1, SLOTS, alone);
    twin_check(twin_same(alone, out + last * channels, channels), "mix: a row of %zu is not itself alone", rows);
    const kv_run first = {f->value_pages, PART_AT, KV_PAGE_TOKENS, PAGES - 1};
    const kv_run rest = {f->value_pages + 1, PART_AT, TOKENS - KV_PAGE_TOKENS, 0};
    fast.mix(format, &first, (uint32_t)f->head, weights, 1, SLOTS, cut);
    fast.mix(format, &rest, (uint32_t)f->head, weights + KV_PAGE_TOKENS, 1, SLOTS, cut);
    twin_check(twin_same(alone, cut, channels), "mix: depends on the cut");
}

static void check_extremes(fixture *f) {
    const kv_block_format *format = &f->format;
    const kv_block_kernels fast = kv_block_kernels_for(KV_ISA_NEON, format->bits);
    const size_t channels = format->heads.head_size;
    float *scores = twin_floats(SLOTS), *out = twin_floats(channels);
    f->queries[channels / 2] = NAN;
    kv_block_prepare_query(format, f->queries, 1, f->prepared);
    fast.score(format, &f->keys, (uint32_t)f->head, f->prepared, 1, scores, SLOTS);
    bool all = true;
    for (size_t i = 0; i < TOKENS; i++) all &= isnan(scores[i]) != 0;
    twin_check(all, "score: a query with a NaN has scores without");
    memset(f->weights, 0, SLOTS * sizeof(float));
    fast.mix(format, &f->values, (uint32_t)f->head, f->weights, 1, SLOTS, out);
    all = true;
    for (size_t i = 0; i < channels; i++) all &= out[i] == 0;
    twin_check(all, "mix: weights of zero add something");
}

static void test_format(uint32_t bits, kv_heads heads, uint32_t block, unsigned options, bool compares) {
    static const size_t row_counts[] = {1, 3, 16, MOST_ROWS};
    const bool has_offsets = options & 1, wide = options & 2, is_signed = options & 4;
    fixture f;
    twin_case("blocks of %u bits, head %u, block %u%s%s%s", bits, heads.head_size, block,
              has_offsets ? ", offsets" : "", wide ? ", fp32 scales" : "", is_signed ? ", signed scales" : "");
    twin_seed(bits * 1000 + block + options);
    make_fixture(&f, make_format(bits, heads, block, has_offsets, wide, is_signed));
    for (size_t i = 0; compares && i < sizeof row_counts / sizeof *row_counts; i++) {
        // The most rows, which go in chunks, with one head size only: the plain twin takes its time.
        if (row_counts[i] == MOST_ROWS && (heads.head_size != 32 || block != 32)) continue;
        check_score(&f, row_counts[i]);
        check_mix(&f, row_counts[i]);
    }
    if (compares) check_extremes(&f);
    twin_release();
}

void twin_test_blocks(bool compares) {
    static const uint32_t widths[] = {1, 2, 3, 4, 5, 8}, sizes[] = {16, 32, 64, 80, 128};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            for (unsigned options = 0; options < 8; options++) {
                // Blocks that span heads, blocks of one head, and one block for all.
                const kv_heads heads = {3, sizes[j]};
                const uint32_t blocks[] = {32, sizes[j], 3 * sizes[j]};
                for (int k = 0; k < 3; k++)
                    if (k == 0 || blocks[k] != 32) test_format(widths[i], heads, blocks[k], options, compares);
            }
    twin_print_digest("block codes, decoded vectors and prepared queries");
}
