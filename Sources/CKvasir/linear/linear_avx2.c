// Linear layers with AVX2: one register holds 8 rows by 4 columns of codes. vpmaddubsw adds two products in 16 bits
// with saturation, so each width of code has a form that cannot saturate.

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "linear_kernels.h"
#include "linear_layout.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "linear_quantize.h"

enum { KVV_LANES = 8, KVV_TOKENS = 4, KVV_SIGNED_EIGHT = 1 };

typedef __m256i kvv_bytes;
typedef __m256i kvv_int;
typedef __m256 kvv_float;

KV_INLINE kvv_bytes kvv_load_bytes(const uint8_t *p) { return _mm256_loadu_si256((const __m256i_u *)p); }
KV_INLINE kvv_bytes kvv_or(kvv_bytes a, kvv_bytes b) { return _mm256_or_si256(a, b); }

// Moves the bits at `from` of every byte to `to`; `mask` selects them there.
KV_INLINE kvv_bytes kvv_field(kvv_bytes a, int from, int to, uint8_t mask) {
    const __m256i moved = to >= from ? _mm256_slli_epi16(a, to - from) : _mm256_srli_epi16(a, from - to);
    return _mm256_and_si256(moved, _mm256_set1_epi8((char)mask));
}

KV_INLINE kvv_int kvv_int_zero(void) { return _mm256_setzero_si256(); }
KV_INLINE kvv_int kvv_int_set(const int32_t *p) { return _mm256_set1_epi32(*p); }
KV_INLINE kvv_int kvv_int_sub(kvv_int a, kvv_int b) { return _mm256_sub_epi32(a, b); }
KV_INLINE kvv_int kvv_int_shift(kvv_int a, int shift) { return _mm256_slli_epi32(a, shift); }

KV_INLINE kvv_float kvv_set(float value) { return _mm256_set1_ps(value); }
KV_INLINE kvv_float kvv_add(kvv_float a, kvv_float b) { return _mm256_add_ps(a, b); }
KV_INLINE kvv_float kvv_sub(kvv_float a, kvv_float b) { return _mm256_sub_ps(a, b); }
KV_INLINE kvv_float kvv_mul(kvv_float a, kvv_float b) { return _mm256_mul_ps(a, b); }
KV_INLINE kvv_float kvv_fma(kvv_float a, kvv_float b, kvv_float c) { return _mm256_fmadd_ps(a, b, c); }
KV_INLINE kvv_float kvv_to_float(kvv_int a) { return _mm256_cvtepi32_ps(a); }

KV_INLINE kvv_float kvv_load_f32(const void *p) { return _mm256_loadu_ps(p); }
KV_INLINE kvv_float kvv_load_f16(const void *p) { return _mm256_cvtph_ps(_mm_loadu_si128(p)); }
KV_INLINE kvv_float kvv_load_bf16(const void *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
KV_INLINE kvv_float kvv_load_u8(const void *p) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p))); }
KV_INLINE kvv_float kvv_load_s8(const void *p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p))); }

// Byte k of every 32-bit lane.
KV_INLINE kvv_float kvv_byte_to_float(kvv_bytes a, int k) {
    return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(a, 8 * k), _mm256_set1_epi32(0xff)));
}

KV_INLINE void kvv_store(float *p, kvv_float a, size_t lanes) {
    if (lanes == KVV_LANES) {
        _mm256_storeu_ps(p, a);
    } else if (lanes != 0) {
        float buffer[KVV_LANES];
        _mm256_storeu_ps(buffer, a);
        memcpy(p, buffer, lanes * sizeof(float));
    }
}

#include "linear_multiply.h"

KV_INLINE __m256i broadcast_four(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, sizeof four);
    return _mm256_set1_epi32(four);
}

KV_INLINE void kvv_group_dots(const kv_weight_type type, const int tokens, const uint8_t *packed, int first, int quads,
                              const kv_activation_group *a, size_t stride, kvv_int *dots) {
    const int bits = kv_layout_bits(type);
    const __m256i ones = _mm256_set1_epi16(1);
    if (bits == 8) {
        // |code| <= 128 and |activation| <= 127: a pair is at most 32512.
#pragma unroll
        for (int quad = first; quad < first + quads; quad++) {
            const __m256i codes = _mm256_xor_si256(kvv_codes(type, packed, quad), _mm256_set1_epi8((char)0x80));
            const __m256i magnitudes = _mm256_abs_epi8(codes);
#pragma unroll
            for (int t = 0; t < tokens; t++) {
                const __m256i four = broadcast_four(a[(size_t)t * stride].codes + 4 * quad);
                const __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(four, codes));
                dots[t] = _mm256_add_epi32(dots[t], _mm256_madd_epi16(pairs, ones));
            }
        }
        return;
    }
    // A pair is at most 2 * 127 * (2^bits - 1): 8, 4 and 2 of them (4, 5 and 6 bits) stay below 32,768.
    const int run = bits == 4 ? 8 : bits == 5 ? 4 : 2;
#pragma unroll
    for (int start = first; start < first + quads; start += run) {
        __m256i pairs[KVV_TOKENS];
#pragma unroll
        for (int quad = start; quad < start + run; quad++) {
            const __m256i codes = kvv_codes(type, packed, quad);
#pragma unroll
            for (int t = 0; t < tokens; t++) {
                const __m256i four = broadcast_four(a[(size_t)t * stride].codes + 4 * quad);
                const __m256i products = _mm256_maddubs_epi16(codes, four);
                pairs[t] = quad == start ? products : _mm256_add_epi16(pairs[t], products);
            }
        }
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            dots[t] = _mm256_add_epi32(dots[t], _mm256_madd_epi16(pairs[t], ones));
        }
    }
}

#pragma clang attribute pop

const kv_linear_kernels kv_linear_avx2 = {
    .quantize = kv_quantize,
    .quantize_token = kv_quantize_token,
    .multiply = kvv_multiply,
    .multiply_f32 = kvv_multiply_f32,
};

#endif
