// Linear layers: what kv_linear.h claims of every row, and the NEON row against the generic one.

#include "kv_linear.h"

#include <math.h>
#include <string.h>

#include "twins.h"

typedef struct {
    kv_weight_type type;
    const char *name;
    int halves;        // f16 numbers of a block, at its beginning or end
    bool at_end;
} weight_type;

static const weight_type weight_types[] = {
    {KV_WEIGHT_F32, "F32", 0, false},   {KV_WEIGHT_F16, "F16", 0, false},   {KV_WEIGHT_BF16, "BF16", 0, false},
    {KV_WEIGHT_Q4_0, "Q4_0", 1, false}, {KV_WEIGHT_Q4_1, "Q4_1", 2, false}, {KV_WEIGHT_Q5_0, "Q5_0", 1, false},
    {KV_WEIGHT_Q5_1, "Q5_1", 2, false}, {KV_WEIGHT_Q8_0, "Q8_0", 1, false}, {KV_WEIGHT_Q4_K, "Q4_K", 2, false},
    {KV_WEIGHT_Q5_K, "Q5_K", 2, false}, {KV_WEIGHT_Q6_K, "Q6_K", 1, true},
};

enum { MOST_TOKENS = 70 };

typedef struct {
    kv_linear_weight weight;
    size_t tiles;
    float *values;      // [row][column], from kv_dequantize
    double *magnitude;  // of a row: the sum of |scale * code| and |minimum|, or more
} matrix;

// Any bytes as codes, and scales of 2^-7 up to 2^-6 with either sign.
static void random_block(const weight_type *type, uint8_t *block) {
    const size_t bytes = kv_weight_block_bytes(type->type);
    if (kv_weight_block_values(type->type) == 1) {
        const float value = twin_uniform(-1, 1);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (type->type == KV_WEIGHT_F16) bits = (uint32_t)((twin_bits() & 0x83ff) | 0x2c00) << 16;
        memcpy(block, (uint8_t *)&bits + 4 - bytes, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++) block[i] = (uint8_t)twin_bits();
    for (int i = 0; i < type->halves; i++) {
        const uint16_t half = (uint16_t)(0x2000 | (twin_bits() & 0x83ff));
        memcpy(type->at_end ? block + bytes - 2 : block + 2 * i, &half, sizeof half);
    }
}

static void make_matrix(const weight_type *type, size_t rows, size_t columns, matrix *m) {
    const size_t block = kv_weight_block_values(type->type), bytes = kv_weight_block_bytes(type->type);
    const size_t row_bytes = columns / block * bytes;
    uint8_t *source = twin_memory(rows * row_bytes, 1);
    for (size_t at = 0; at < rows * row_bytes; at += bytes) random_block(type, source + at);
    m->tiles = kv_linear_tiles(rows);
    const size_t packed_bytes = kv_linear_packed_bytes(type->type, rows, columns);
    void *packed = twin_memory(packed_bytes, 16);
    // In two ranges, as several threads do.
    kv_linear_repack(type->type, source, row_bytes, rows, columns, m->tiles / 2, m->tiles, packed);
    kv_linear_repack(type->type, source, row_bytes, rows, columns, 0, m->tiles / 2, packed);
    twin_digest(packed, packed_bytes);
    m->weight = (kv_linear_weight){type->type, rows, columns, packed};
    m->values = twin_floats(rows * columns);
    m->magnitude = twin_memory(rows * sizeof(double), sizeof(double));
    float *unpacked = twin_floats(columns);
    for (size_t row = 0; row < rows; row++) {
        float *values = m->values + row * columns;
        kv_dequantize(type->type, source + row * row_bytes, values, columns);
        kv_linear_unpack_row(&m->weight, row, unpacked);
        twin_check(twin_same(values, unpacked, columns), "row %zu is not unpacked as it was", row);
        for (size_t i = 0; i < columns; i++) m->magnitude[row] += fabs(values[i]);
        // Scale and minimum may cancel: 2^-6 times at most 63 * 31 + 63.
        if (type->halves == 2) m->magnitude[row] += (double)columns * 0x1p-6 * (type->type >= 12 ? 2016 : 32);
    }
    twin_digest(m->values, rows * columns * sizeof(float));
}

static bool same_rows(const float *a, size_t a_stride, const float *b, size_t b_stride, size_t tokens, size_t rows) {
    for (size_t t = 0; t < tokens; t++)
        if (!twin_same(a + t * a_stride, b + t * b_stride, rows)) return false;
    return true;
}

static void check_close(const matrix *m, const char *what, const float *y, const float *expected, size_t tokens,
                        double roundings, double largest) {
    for (size_t i = 0; i < tokens * m->weight.rows; i++) {
        const double allowed = 2 * 0x1p-24 * roundings * m->magnitude[i % m->weight.rows] * largest;
        twin_check(fabs((double)y[i] - expected[i]) <= allowed, "%s, token %zu of %zu, row %zu: %.9g is not %.9g", what,
                   i / m->weight.rows, tokens, i % m->weight.rows, y[i], expected[i]);
    }
}

static const size_t token_counts[] = {1, 2, 3, 4, 5, 7, 8, 9, MOST_TOKENS};

// Activations are within [-2, 2].
static void check_integers(const matrix *m, const float *x) {
    const kv_linear_kernels *fast = kv_linear_kernels_for(KV_ISA_NEON), *plain = kv_linear_kernels_for(KV_ISA_GENERIC);
    const size_t rows = m->weight.rows, columns = m->weight.columns, groups = columns / KV_LINEAR_GROUP_COLUMNS;
    kv_activation_group *codes = twin_memory(MOST_TOKENS * groups * sizeof *codes, 4);
    plain->quantize(x, MOST_TOKENS * columns, codes);
    float *alone = twin_floats(MOST_TOKENS * rows), *y = twin_floats(MOST_TOKENS * rows);
    float *expected = twin_floats(MOST_TOKENS * rows);
    plain->multiply(&m->weight, 0, m->tiles, codes, MOST_TOKENS, expected, rows);
    for (size_t t = 0; t < MOST_TOKENS; t++) {
        fast->multiply(&m->weight, 0, m->tiles, codes + t * groups, 1, alone + t * rows, rows);
    }
    check_close(m, "multiply", alone, expected, MOST_TOKENS, 8.0 * (double)groups + 8, 2);
    for (size_t i = 0; i < sizeof token_counts / sizeof *token_counts; i++) {
        fast->multiply(&m->weight, 0, m->tiles, codes, token_counts[i], y, rows);
        twin_check(twin_same(y, alone, token_counts[i] * rows), "multiply: %zu tokens are not those alone",
                   token_counts[i]);
    }
    // Tile by tile, into lines longer than the rows.
    const size_t stride = rows + 3, tokens = 5;
    float *lines = twin_floats(tokens * stride - 3);
    for (size_t i = 0; i < tokens * stride - 3; i++) lines[i] = -7;
    for (size_t tile = m->tiles; tile-- > 0;) {
        fast->multiply(&m->weight, tile, tile + 1, codes, tokens, lines, stride);
    }
    twin_check(same_rows(lines, stride, alone, rows, tokens, rows), "multiply: depends on the range of tiles");
    for (size_t i = rows; i < tokens * stride - 3; i++)
        if (i % stride >= rows) twin_check(lines[i] == -7, "multiply: writes beyond the rows");
}

static void check_floats(const matrix *m, const float *x) {
    const kv_linear_kernels *fast = kv_linear_kernels_for(KV_ISA_NEON), *plain = kv_linear_kernels_for(KV_ISA_GENERIC);
    const size_t rows = m->weight.rows, columns = m->weight.columns;
    float *alone = twin_floats(MOST_TOKENS * rows), *y = twin_floats(MOST_TOKENS * rows);
    float *expected = twin_floats(MOST_TOKENS * rows);
    plain->multiply_f32(&m->weight, 0, m->tiles, x, columns, MOST_TOKENS, expected, rows);
    for (size_t t = 0; t < MOST_TOKENS; t++) {
        fast->multiply_f32(&m->weight, 0, m->tiles, x + t * columns, columns, 1, alone + t * rows, rows);
    }
    check_close(m, "multiply_f32", alone, expected, MOST_TOKENS, (double)(columns / 2 + 5), 2);
    for (size_t i = 0; i < sizeof token_counts / sizeof *token_counts; i++) {
        fast->multiply_f32(&m->weight, 0, m->tiles, x, columns, token_counts[i], y, rows);
        twin_check(twin_same(y, alone, token_counts[i] * rows), "multiply_f32: %zu tokens are not those alone",
                   token_counts[i]);
    }
    const size_t stride = rows + 3, tokens = 5;
    float *lines = twin_floats(tokens * stride - 3);
    for (size_t i = 0; i < tokens * stride - 3; i++) lines[i] = -7;
    for (size_t tile = m->tiles; tile-- > 0;) {
        fast->multiply_f32(&m->weight, tile, tile + 1, x, columns, tokens, lines, stride);
    }
    twin_check(same_rows(lines, stride, alone, rows, tokens, rows), "multiply_f32: depends on the range of tiles");
    for (size_t i = rows; i < tokens * stride - 3; i++)
        if (i % stride >= rows) twin_check(lines[i] == -7, "multiply_f32: writes beyond the rows");
    // A lone 1 among zeros picks a weight, widened bit for bit as kv_dequantize does.
    float *one = twin_floats(columns);
    for (size_t column = 0; column < columns; column += 1 + column / 64) {
        one[column] = 1;
        fast->multiply_f32(&m->weight, 0, m->tiles, one, columns, 1, y, rows);
        for (size_t row = 0; row < rows; row++) {
            const float weight = m->values[row * columns + column];
            twin_check(y[row] == weight, "multiply_f32: weight (%zu, %zu) is widened to %.9g, not %.9g", row, column,
                       y[row], weight);
        }
        one[column] = 0;
    }
}

// Rounding activations gives the same bytes on every instruction set.
static void check_quantize(bool compares) {
    enum { GROUPS = 600, VALUES = GROUPS * KV_LINEAR_GROUP_COLUMNS };
    twin_case("quantize");
    float *x = twin_floats(VALUES);
    for (size_t i = 0; i < VALUES; i++) {
        const size_t group = i / KV_LINEAR_GROUP_COLUMNS;
        x[i] = group % 3 == 0 ? twin_uniform(-2, 2) : twin_normal() * ldexpf(1, (int)(group % 240) - 125);
        if (group % 5 == 0) x[i] = (float)((int)(twin_bits() % 255) - 127) * 0.5f;  // ties
        if (group % 50 == 7) x[i] = 0;
    }
    x[40 * 32 + 3] = NAN;
    x[41 * 32 + 31] = -INFINITY;
    x[42 * 32] = 0x1p-119f;
    kv_activation_group *plain = twin_memory(GROUPS * sizeof *plain, 4), *fast = twin_memory(GROUPS * sizeof *fast, 4);
    kv_linear_kernels_for(KV_ISA_GENERIC)->quantize(x, VALUES, plain);
    twin_check(isnan(plain[40].scale) && isnan(plain[41].scale), "what is not finite has a scale");
    if (compares) {
        kv_linear_kernels_for(KV_ISA_NEON)->quantize(x, VALUES, fast);
        for (size_t i = 0; i < GROUPS; i++)
            twin_check(memcmp(plain + i, fast + i, sizeof *plain) == 0, "group %zu differs", i);
    }
    // The bits of a NaN may differ between processors.
    for (size_t i = 0; i < GROUPS; i++)
        if (!isnan(plain[i].scale)) twin_digest(plain + i, sizeof *plain);
    twin_release();
}

// Rows and tokens with one scale each: the same bits on every instruction set.
static void check_rounded_rows(bool compares, size_t rows, size_t columns, float limit) {
    twin_case("linear INT8_ROW, %zu x %zu, limit %g", rows, columns, (double)limit);
    const size_t groups = (columns + KV_LINEAR_GROUP_COLUMNS - 1) / KV_LINEAR_GROUP_COLUMNS;
    const size_t packed_bytes = kv_linear_packed_bytes(KV_WEIGHT_INT8_ROW, rows, columns);
    float *source = twin_floats(rows * columns), *x = twin_floats(MOST_TOKENS * columns);
    for (size_t i = 0; i < rows * columns; i++) source[i] = twin_uniform(-1, 1);
    for (size_t i = 0; i < MOST_TOKENS * columns; i++) x[i] = twin_uniform(-2, 2);
    x[3 * columns] = NAN;
    void *packed = twin_memory(packed_bytes, 16);
    kv_linear_round_rows(source, columns, rows, columns, limit, 0, kv_linear_tiles(rows), packed);
    twin_digest(packed, packed_bytes);
    const matrix m = {.weight = {KV_WEIGHT_INT8_ROW, rows, columns, packed}, .tiles = kv_linear_tiles(rows)};
    const kv_linear_kernels *fast = kv_linear_kernels_for(KV_ISA_NEON), *plain = kv_linear_kernels_for(KV_ISA_GENERIC);
    kv_activation_group *codes = twin_memory(MOST_TOKENS * groups * sizeof *codes, 4);
    kv_activation_group *same = twin_memory(groups * sizeof *same, 4);
    float *unpacked = twin_floats(columns);
    for (size_t row = 0; row < rows; row++) {
        kv_linear_unpack_row(&m.weight, row, unpacked);
        twin_digest(unpacked, columns * sizeof *unpacked);
    }
    for (size_t t = 0; t < MOST_TOKENS; t++) {
        kv_activation_group *token = codes + t * groups;
        plain->quantize_token(x + t * columns, columns, limit, token);
        twin_check(isnan(token->scale) == (t == 3), "token %zu has the scale %g", t, (double)token->scale);
        if (t == 3) continue;
        twin_digest(token, groups * sizeof *token);
        if (!compares) continue;
        fast->quantize_token(x + t * columns, columns, limit, same);
        twin_check(memcmp(token, same, groups * sizeof *token) == 0, "token %zu differs", t);
    }
    if (compares) {
        float *y = twin_floats(MOST_TOKENS * rows), *expected = twin_floats(MOST_TOKENS * rows);
        plain->multiply(&m.weight, 0, m.tiles, codes, MOST_TOKENS, expected, rows);
        for (size_t row = 0; row < rows; row++) twin_check(isnan(expected[3 * rows + row]), "NaN is lost");
        // A NaN's bits may differ.
        memcpy(codes + 3 * groups, codes, groups * sizeof *codes);
        plain->multiply(&m.weight, 0, m.tiles, codes, MOST_TOKENS, expected, rows);
        for (size_t i = 0; i < sizeof token_counts / sizeof *token_counts; i++) {
            fast->multiply(&m.weight, 0, m.tiles, codes, token_counts[i], y, rows);
            twin_check(twin_same(y, expected, token_counts[i] * rows), "multiply: %zu tokens differ", token_counts[i]);
        }
        memcpy(x + 3 * columns, x, columns * sizeof *x);
        fast->multiply_f32(&m.weight, 0, m.tiles, x, columns, MOST_TOKENS, y, rows);
        plain->multiply_f32(&m.weight, 0, m.tiles, x, columns, MOST_TOKENS, expected, rows);
        for (size_t i = 0; i < MOST_TOKENS * rows; i++) {
            // Each side rounds as in check_floats; weights are within [-1, 1], activations within [-2, 2].
            const double allowed = 2 * 0x1p-24 * (double)(columns / 2 + 5) * 2 * (double)columns;
            twin_check(fabs((double)y[i] - expected[i]) <= allowed, "multiply_f32: %.9g is not %.9g", y[i], expected[i]);
        }
    }
    twin_release();
}

void twin_test_linear(bool compares) {
    twin_seed(77);
    check_quantize(compares);
    check_rounded_rows(compares, 1, 1, 0);
    check_rounded_rows(compares, 17, 100, 0);
    check_rounded_rows(compares, 53, 576, 0);
    check_rounded_rows(compares, 35, 67, 1);
    for (size_t i = 0; i < sizeof weight_types / sizeof *weight_types; i++) {
        const weight_type *type = &weight_types[i];
        const size_t block = kv_weight_block_values(type->type), unit = block == 256 ? 256 : 32;
        const struct {
            size_t rows, columns;
        } shapes[] = {{1, unit}, {16, 2 * unit}, {17, 768}, {53, 512}, {35, 67}, {5, 1}};
        for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
            if (shapes[j].columns % block != 0) continue;
            matrix m;
            twin_case("linear %s, %zu x %zu", type->name, shapes[j].rows, shapes[j].columns);
            make_matrix(type, shapes[j].rows, shapes[j].columns, &m);
            float *x = twin_floats(MOST_TOKENS * shapes[j].columns);
            for (size_t k = 0; k < MOST_TOKENS * shapes[j].columns; k++) x[k] = twin_uniform(-2, 2);
            if (compares && kv_linear_is_quantized(type->type)) check_integers(&m, x);
            if (compares) check_floats(&m, x);
            twin_release();
        }
    }
    twin_print_digest("packed weights, weights and rounded activations");
}
