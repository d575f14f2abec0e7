// Linear layers with AVX-512 and VNNI: one register holds 16 rows by 4 columns of codes.

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "linear_kernels.h"
#include "linear_layout.h"

#pragma clang attribute push(                                                                                       \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi"))),              \
    apply_to = function)

#include "linear_quantize.h"

enum { KVV_LANES = 16, KVV_TOKENS = 8, KVV_SIGNED_EIGHT = 0 };

typedef __m512i kvv_bytes;
typedef __m512i kvv_int;
typedef __m512 kvv_float;

KV_INLINE kvv_bytes kvv_load_bytes(const uint8_t *p) { return _mm512_loadu_si512(p); }
KV_INLINE kvv_bytes kvv_or(kvv_bytes a, kvv_bytes b) { return _mm512_or_si512(a, b); }

// Moves the bits at `from` of every byte to `to`; `mask` selects them there.
KV_INLINE kvv_bytes kvv_field(kvv_bytes a, int from, int to, uint8_t mask) {
    const __m512i moved = to >= from ? _mm512_slli_epi16(a, (unsigned)(to - from))
                                     : _mm512_srli_epi16(a, (unsigned)(from - to));
    return _mm512_and_si512(moved, _mm512_set1_epi8((char)mask));
}

KV_INLINE kvv_int kvv_int_zero(void) { return _mm512_setzero_si512(); }
KV_INLINE kvv_int kvv_int_set(const int32_t *p) { return _mm512_set1_epi32(*p); }
KV_INLINE kvv_int kvv_int_sub(kvv_int a, kvv_int b) { return _mm512_sub_epi32(a, b); }
KV_INLINE kvv_int kvv_int_shift(kvv_int a, int shift) { return _mm512_slli_epi32(a, (unsigned)shift); }

KV_INLINE kvv_float kvv_set(float value) { return _mm512_set1_ps(value); }
KV_INLINE kvv_float kvv_add(kvv_float a, kvv_float b) { return _mm512_add_ps(a, b); }
KV_INLINE kvv_float kvv_sub(kvv_float a, kvv_float b) { return _mm512_sub_ps(a, b); }
KV_INLINE kvv_float kvv_mul(kvv_float a, kvv_float b) { return _mm512_mul_ps(a, b); }
KV_INLINE kvv_float kvv_fma(kvv_float a, kvv_float b, kvv_float c) { return _mm512_fmadd_ps(a, b, c); }
KV_INLINE kvv_float kvv_to_float(kvv_int a) { return _mm512_cvtepi32_ps(a); }

KV_INLINE kvv_float kvv_load_f32(const void *p) { return _mm512_loadu_ps(p); }
KV_INLINE kvv_float kvv_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
KV_INLINE kvv_float kvv_load_bf16(const void *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}
KV_INLINE kvv_float kvv_load_u8(const void *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p)));
}
KV_INLINE kvv_float kvv_load_s8(const void *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p)));
}

// Byte k of every 32-bit lane.
KV_INLINE kvv_float kvv_byte_to_float(kvv_bytes a, int k) {
    const __m512i moved = _mm512_srli_epi32(a, (unsigned)(8 * k));
    return _mm512_cvtepi32_ps(_mm512_and_si512(moved, _mm512_set1_epi32(0xff)));
}

KV_INLINE void kvv_store(float *p, kvv_float a, size_t lanes) {
    if (lanes == KVV_LANES) {
        _mm512_storeu_ps(p, a);
    } else {
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << lanes) - 1), a);
    }
}

#include "linear_multiply.h"

KV_INLINE void kvv_group_dots(const kv_weight_type type, const int tokens, const uint8_t *packed, int first, int quads,
                              const kv_activation_group *a, size_t stride, kvv_int *dots) {
#pragma unroll
    for (int quad = first; quad < first + quads; quad++) {
        const __m512i codes = kvv_codes(type, packed, quad);
#pragma unroll
        for (int t = 0; t < tokens; t++) {
            int32_t four;
            memcpy(&four, a[(size_t)t * stride].codes + 4 * quad, sizeof four);
            dots[t] = _mm512_dpbusd_epi32(dots[t], codes, _mm512_set1_epi32(four));
        }
    }
}

#pragma clang attribute pop

const kv_linear_kernels kv_linear_avx512 = {
    .quantize = kv_quantize,
    .quantize_token = kv_quantize_token,
    .multiply = kvv_multiply,
    .multiply_f32 = kvv_multiply_f32,
};

#endif
