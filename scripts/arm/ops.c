// Row operations: the NEON row against the generic one, within the rounding that kv_ops.h allows; conversions over
// every half and around every boundary between two.

#include "kv_ops.h"

#include <math.h>
#include <string.h>

#include "kv_half.h"
#include "twins.h"

static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 63, 64, 65, 127, 200, 576, 1000};

static const kv_ops_kernels *fast, *plain;

static bool is_close(double a, double b, double tolerance) {
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance * fabs(b) + 0x1p-149;
}

static void check_values(const char *what, const float *a, const float *b, size_t count, double tolerance) {
    for (size_t i = 0; i < count; i++)
        twin_check(is_close(a[i], b[i], tolerance), "%s: element %zu of %zu is %.9g, not %.9g", what, i, count, a[i],
                   b[i]);
}

static float *copy(const float *values, size_t count) {
    float *result = twin_floats(count + 1);  // the first left over, so that rows start at odd places too
    return memcpy(result + 1, values, count * sizeof(float));
}

static void check_arithmetic(size_t count) {
    float *x = twin_floats(2 * count), *y = twin_floats(count), *out = twin_floats(count), *wanted = twin_floats(count);
    twin_fill_normal(x, 2 * count);
    twin_fill_normal(y, count);
    fast->rms_norm(x, y, out, count, 1e-5f);
    plain->rms_norm(x, y, wanted, count, 1e-5f);
    check_values("rms_norm", out, wanted, count, 0x1p-24 * (double)(count + 16));
    float *same = copy(x, count);
    fast->rms_norm(same, y, same, count, 1e-5f);
    twin_check(twin_same(same, out, count), "rms_norm of %zu in place differs", count);

    float *bias = twin_floats(count);
    twin_fill_normal(bias, count);
    fast->layer_norm(x, y, bias, out, count, 1e-5f);
    plain->layer_norm(x, y, bias, wanted, count, 1e-5f);
    for (size_t i = 0; i < count; i++) {
        // Two sums are rounded, and the bias may take most of the rest away.
        const double allowed = 0x1p-22 * (double)(count + 16) * (1 + fabs(y[i])) * (1 + fabs(bias[i]));
        twin_check(fabs((double)out[i] - wanted[i]) <= allowed, "layer_norm: element %zu of %zu", i, count);
    }

    float *cosines = twin_floats(count), *sines = twin_floats(count);
    for (size_t i = 0; i < count; i++) {
        cosines[i] = twin_uniform(-1, 1);
        sines[i] = sqrtf(1 - cosines[i] * cosines[i]);
    }
    for (int half = 0; half < 2; half++) {
        float *a = copy(x, 2 * count), *b = copy(x, 2 * count);
        (half ? fast->rope_half : fast->rope_interleaved)(a, cosines, sines, count);
        (half ? plain->rope_half : plain->rope_interleaved)(b, cosines, sines, count);
        for (size_t i = 0; i < count; i++) {
            const size_t first = half ? i : 2 * i, second = half ? i + count : 2 * i + 1;
            const double allowed = 0x1p-23 * (fabs(x[first]) + fabs(x[second]));
            twin_check(fabs((double)a[first] - b[first]) <= allowed && fabs((double)a[second] - b[second]) <= allowed,
                       "%s: pair %zu of %zu differs", half ? "rope_half" : "rope_interleaved", i, count);
        }
    }

    for (size_t i = 0; i < count; i++) x[i] *= 20;
    const float edges[] = {0, -0.0f, 200, -200, NAN, INFINITY};
    if (count > 16) memcpy(x, edges, sizeof edges);
    fast->swiglu(x, y, out, count);
    plain->swiglu(x, y, wanted, count);
    for (size_t i = 0; i < count; i++)
        twin_check(is_close(out[i], wanted[i], 1e-6) || fabs((double)out[i] - wanted[i]) < 1e-35,
                   "swiglu: element %zu of %zu is %.9g, not %.9g", i, count, out[i], wanted[i]);
    float *gate = copy(x, count), *up = copy(y, count);
    fast->swiglu(gate, y, gate, count);
    fast->swiglu(x, up, up, count);
    // By value: NaN has many patterns.
    check_values("swiglu into gate", gate, out, count, 0);
    check_values("swiglu into up", up, out, count, 0);

    fast->geglu_tanh(x, y, out, count);
    plain->geglu_tanh(x, y, wanted, count);
    for (size_t i = 0; i < count; i++)
        twin_check(is_close(out[i], wanted[i], 2e-5) || fabs((double)out[i] - wanted[i]) < 1e-30,
                   "geglu_tanh: element %zu of %zu is %.9g, not %.9g", i, count, out[i], wanted[i]);

    float *a = copy(x, count), *b = copy(x, count);
    fast->gelu_tanh(a, count);
    plain->gelu_tanh(b, count);
    for (size_t i = 0; i < count; i++)
        twin_check(is_close(a[i], b[i], 2e-5) || fabs((double)a[i] - b[i]) < 1e-30,
                   "gelu_tanh: element %zu of %zu is %.9g, not %.9g", i, count, a[i], b[i]);
    a = copy(x, count), b = copy(x, count);
    fast->relu(a, count);
    plain->relu(b, count);
    check_values("relu", a, b, count, 0);

    a = copy(x, count), b = copy(x, count);
    fast->add(a, y, count);
    plain->add(b, y, count);
    check_values("add", a, b, count, 0);
    fast->scale(a, 0.3f, count);
    plain->scale(b, 0.3f, count);
    check_values("scale", a, b, count, 0);
    twin_release();
}

static void check_reductions(size_t count) {
    float *x = twin_floats(count);
    for (size_t place = 0; place < count; place += 1 + count / 5) {
        twin_fill_normal(x, count);
        if (count > 2) x[(place + 1) % count] = NAN;
        x[place] = 50;
        if (place + 2 < count) x[count - 1] = 50;
        twin_check(fast->max(x, count) == 50, "max of %zu misses place %zu", count, place);
        twin_check(fast->argmax(x, count) == place, "argmax of %zu misses place %zu", count, place);
    }
    for (size_t i = 0; i < count; i++) x[i] = NAN;
    twin_check(fast->max(x, count) == -INFINITY && fast->argmax(x, count) == 0, "max of %zu NaNs", count);
    for (size_t i = 0; i < count; i++) x[i] = twin_uniform(-30, 0);
    if (count > 1) x[1] = -INFINITY;
    float *a = copy(x, count), *b = copy(x, count);
    const float sum = fast->exp_sum(a, count, 0.25f), wanted = plain->exp_sum(b, count, 0.25f);
    check_values("exp_sum", a, b, count, 4e-7);
    twin_check(is_close(sum, wanted, 4e-7 + 0x1p-23 * (double)count), "exp_sum of %zu: %.9g is not %.9g", count, sum,
               wanted);
    for (size_t i = 0; i < count; i++) a[i] = -INFINITY;
    twin_check(fast->exp_sum(a, count, -INFINITY) == 0, "exp_sum of %zu masked places", count);
    twin_release();
}

static void check_exponential(void) {
    enum { COUNT = 60000 };
    float *x = twin_floats(COUNT);
    for (size_t i = 0; i < COUNT; i++) x[i] = -87.3f + (float)i * (167.0f / COUNT);
    float *y = copy(x, COUNT);
    fast->exp_sum(y, COUNT, 0);
    for (size_t i = 0; i < COUNT; i++)
        twin_check(is_close(y[i], exp(x[i]), 2e-7), "exp(%.9g) is %.9g, not %.9g", x[i], y[i], exp(x[i]));
    float edges[] = {-INFINITY, -3e38f, -104, -88, NAN, -INFINITY};
    fast->exp_sum(edges, 6, 0);
    twin_check(edges[0] == 0 && edges[1] == 0 && edges[2] == 0 && edges[3] == 0 && edges[5] == 0,
               "exp of the smallest is not 0");
    twin_check(isnan(edges[4]), "exp of NaN");
    twin_release();
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef void (*narrow)(const float *x, uint16_t *out, size_t count);
typedef void (*widen)(const uint16_t *x, float *out, size_t count);

// Every pattern widened; every number between two patterns narrowed: the middle, its neighbours and the ends.
static void check_conversions(const char *name, narrow fast_narrow, narrow plain_narrow, widen fast_widen,
                              widen plain_widen) {
    enum { PATTERNS = 65536, EACH = 6, COUNT = PATTERNS * EACH };
    uint16_t *patterns = twin_memory(PATTERNS * 2, 2), *a = twin_memory(COUNT * 2, 2), *b = twin_memory(COUNT * 2, 2);
    float *wide = twin_floats(PATTERNS), *wanted = twin_floats(PATTERNS), *x = twin_floats(COUNT);
    for (size_t i = 0; i < PATTERNS; i++) patterns[i] = (uint16_t)i;
    fast_widen(patterns, wide, PATTERNS);
    plain_widen(patterns, wanted, PATTERNS);
    for (size_t i = 0; i < PATTERNS; i++)
        twin_check((isnan(wide[i]) && isnan(wanted[i])) || twin_same(wide + i, wanted + i, 1),
                   "%s: %04zx is widened to %.9g, not %.9g", name, i, wide[i], wanted[i]);
    for (size_t i = 0; i < PATTERNS; i++) {
        uint32_t here, next;
        memcpy(&here, wanted + i, sizeof here);
        memcpy(&next, wanted + (i + 1) % PATTERNS, sizeof next);
        const uint32_t middle = here + (next - here) / 2;
        const uint32_t bits[EACH] = {here, here + 1, middle - 1, middle, middle + 1, (uint32_t)twin_bits()};
        for (size_t k = 0; k < EACH; k++) x[i * EACH + k] = from_bits(bits[k]);
    }
    fast_narrow(x, a, COUNT);
    plain_narrow(x, b, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        float results[2];
        plain_widen(a + i, results, 1);
        plain_widen(b + i, results + 1, 1);
        twin_check(isnan(x[i]) ? isnan(results[0]) && isnan(results[1]) : a[i] == b[i],
                   "%s: %.9g is narrowed to %04x, not %04x", name, x[i], a[i], b[i]);
    }
    // Lengths that leave a rest, up to the end of the memory.
    for (size_t count = 0; count < 40; count++) {
        fast_narrow(x + COUNT - count, a + COUNT - count, count);
        fast_widen(patterns + PATTERNS - count, wide + PATTERNS - count, count);
    }
    twin_release();
}

void twin_test_ops(bool compares) {
    if (!compares) return;
    fast = kv_ops_kernels_for(KV_ISA_NEON);
    plain = kv_ops_kernels_for(KV_ISA_GENERIC);
    twin_case("ops: two tables");
    twin_check(fast != plain, "the NEON row is the generic one");
    twin_seed(3);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        twin_case("ops of %zu elements", counts[i]);
        check_arithmetic(counts[i]);
        check_reductions(counts[i]);
    }
    twin_case("ops: exponential");
    check_exponential();
    twin_case("ops: binary16");
    check_conversions("binary16", fast->f32_to_f16, plain->f32_to_f16, fast->f16_to_f32, plain->f16_to_f32);
    twin_case("ops: bfloat16");
    check_conversions("bfloat16", fast->f32_to_bf16, plain->f32_to_bf16, fast->bf16_to_f32, plain->bf16_to_f32);
}
