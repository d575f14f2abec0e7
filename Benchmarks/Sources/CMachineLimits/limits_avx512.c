#if defined(__x86_64__)

#include <immintrin.h>

#include "limit_loops.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))),     \
                             apply_to = function)

enum { CHAINS = 16 };

static uint64_t multiply_add(size_t rounds) {
    __m512 sums[CHAINS], factor = _mm512_set1_ps(0.999f), addend = _mm512_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_set1_ps((float)i);
    for (size_t round = 0; round < rounds; round++) {
        KV_OPAQUE(factor);
#pragma unroll
        for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_fmadd_ps(sums[i], factor, addend);
    }
#pragma unroll
    for (int i = 0; i < CHAINS; i++) KV_OPAQUE(sums[i]);
    return (uint64_t)rounds * CHAINS * 16;
}

static uint64_t dot_product(size_t rounds) {
    __m512i sums[CHAINS], magnitudes = _mm512_set1_epi8(3), codes = _mm512_set1_epi8(-5);
    for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_setzero_si512();
    for (size_t round = 0; round < rounds; round++) {
        KV_OPAQUE(codes);
#pragma unroll
        for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_dpbusd_epi32(sums[i], magnitudes, codes);
    }
#pragma unroll
    for (int i = 0; i < CHAINS; i++) KV_OPAQUE(sums[i]);
    return (uint64_t)rounds * CHAINS * 64;
}

static void read_memory(const void *memory, size_t bytes) {
    const __m512i *vectors = memory;
    __m512i bits[4];
    for (int i = 0; i < 4; i++) bits[i] = _mm512_setzero_si512();
    for (size_t at = 0; at < bytes / sizeof *vectors; at += 4) {
#pragma unroll
        for (int i = 0; i < 4; i++) bits[i] = _mm512_or_si512(bits[i], _mm512_load_si512(vectors + at + (size_t)i));
    }
#pragma unroll
    for (int i = 0; i < 4; i++) KV_OPAQUE(bits[i]);
}

static void write_memory(void *memory, size_t bytes) {
    __m512i *vectors = memory, value = _mm512_set1_epi8(7);
    for (size_t at = 0; at < bytes / sizeof *vectors; at += 4) {
        KV_OPAQUE(value);
#pragma unroll
        for (int i = 0; i < 4; i++) _mm512_store_si512(vectors + at + (size_t)i, value);
    }
}

#pragma clang attribute pop

const kv_limit_loops kv_limit_avx512 = {
    .multiply_add = multiply_add,
    .dot_product = dot_product,
    .read = read_memory,
    .write = write_memory,
};

#endif
