#if defined(__x86_64__)

#include <immintrin.h>

#include "aligned8_layout.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

#include "../kv_vector.h"

// Places are bytes, coefficients 16-bit integers whose largest of a block is all of their range: two units of 16 lanes make
// one integer dot product.
#define KV_HAS_LANES

typedef __m512i unit_lanes;

typedef struct {
    int16_t values[64];
    int32_t middle;  // what places would add up to that all lie in the middle
    float scale;
} unit_factors;

typedef struct {
    __m512i lanes[4];
} unit_sums;

// Where the two bits of a byte's lane begin in its eight bytes, by the quarter of lanes, less where they are to lie.
#define EIGHT(at) ((at) & 63), ((at) + 8 & 63), ((at) + 16 & 63), ((at) + 24 & 63), ((at) + 32 & 63), ((at) + 40 & 63), \
                  ((at) + 48 & 63), ((at) + 56 & 63)
#define QUARTERS(left) EIGHT(-left), EIGHT(-left), EIGHT(2 - left), EIGHT(2 - left), EIGHT(4 - left), EIGHT(4 - left), \
                       EIGHT(6 - left), EIGHT(6 - left)
static const uint8_t places_of_plane[4][64] = {{QUARTERS(6)}, {QUARTERS(4)}, {QUARTERS(2)}, {QUARTERS(0)}};
#undef EIGHT
#undef QUARTERS

// A shift of its own for every byte puts the two bits of 64 lanes where they belong in one step a plane. Byte 16 q + i of
// the result is quarter q of byte i: what the steps of `add_pair` bring into order.
static inline __attribute__((always_inline)) unit_lanes expand_lanes(const uint8_t *const sources[4]) {
    __m512i places = _mm512_setzero_si512();
#pragma clang loop unroll(full)
    for (int plane = 0; plane < 4; plane++) {
        const __m512i bytes =
            _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)sources[plane]));
        const __m512i shifted = _mm512_multishift_epi64_epi8(_mm512_loadu_si512(places_of_plane[plane]), bytes);
        // places | (shifted & mask)
        places = _mm512_ternarylogic_epi32(places, shifted, _mm512_set1_epi8((char)(0xc0 >> 2 * plane)), 0xf8);
    }
    return places;
}

static inline __attribute__((always_inline)) unit_lanes load_lanes(const uint8_t *bytes) {
    return _mm512_loadu_si512(bytes);
}

static inline __attribute__((always_inline)) void store_lanes(unit_lanes lanes, uint8_t *bytes) {
    _mm512_storeu_si512(bytes, lanes);
}

static inline __attribute__((always_inline)) void set_factors(unit_factors *factors, const float *coefficients) {
    __m512 largest = _mm512_setzero_ps();
    for (int vector = 0; vector < 4; vector++)
        largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(coefficients + vector * 16)));
    const float most = _mm512_reduce_max_ps(largest);
    const __m512 steps = _mm512_set1_ps(most > 0 ? 32767 / most : 0);
    __m512i sum = _mm512_setzero_si512();
    for (int vector = 0; vector < 4; vector++) {
        const __m512i values =
            _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(coefficients + vector * 16), steps));
        sum = _mm512_add_epi32(sum, values);
        _mm256_storeu_si256((__m256i *)(void *)(factors->values + vector * 16), _mm512_cvtsepi32_epi16(values));
    }
    factors->middle = 128 * _mm512_reduce_add_epi32(sum);
    factors->scale = most / 32767;
}

static inline __attribute__((always_inline)) void clear_sums(unit_sums *sums) {
    for (int vector = 0; vector < 4; vector++) sums->lanes[vector] = _mm512_setzero_si512();
}

static inline __attribute__((always_inline)) void add_pair(unit_sums *sums, unit_lanes first, unit_lanes second,
                                                           const unit_factors *factors, size_t unit) {
    int32_t both;
    memcpy(&both, factors->values + unit, sizeof both);
    const __m512i factor = _mm512_set1_epi32(both), zero = _mm512_setzero_si512();
    // 16-bit places of the first unit and the second by turns: within 128 bits, of four lanes each.
    const __m512i lower = _mm512_unpacklo_epi8(first, second), upper = _mm512_unpackhi_epi8(first, second);
    sums->lanes[0] = _mm512_dpwssd_epi32(sums->lanes[0], _mm512_unpacklo_epi8(lower, zero), factor);
    sums->lanes[1] = _mm512_dpwssd_epi32(sums->lanes[1], _mm512_unpackhi_epi8(lower, zero), factor);
    sums->lanes[2] = _mm512_dpwssd_epi32(sums->lanes[2], _mm512_unpacklo_epi8(upper, zero), factor);
    sums->lanes[3] = _mm512_dpwssd_epi32(sums->lanes[3], _mm512_unpackhi_epi8(upper, zero), factor);
}

static inline __attribute__((always_inline)) kv_f32x16 finished(const unit_sums *sums, const unit_factors *factors,
                                                                size_t vector) {
    const __m512i sum = _mm512_sub_epi32(sums->lanes[vector], _mm512_set1_epi32(factors->middle));
    return (kv_f32x16)_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(factors->scale));
}

#include "aligned8_kernels.inc"

#pragma clang attribute pop

const kv_aligned8_kernels kv_aligned8_kernels_avx512 = {choose_keys, score, choose_values, mix};

#endif
