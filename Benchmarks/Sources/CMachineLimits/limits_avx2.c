#if defined(__x86_64__)

#include <immintrin.h>

#include "limit_loops.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

// Twelve chains and the operands fill the 16 registers.
enum { CHAINS = 12 };

static uint64_t multiply_add(size_t rounds) {
    __m256 sums[CHAINS], factor = _mm256_set1_ps(0.999f), addend = _mm256_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++) sums[i] = _mm256_set1_ps((float)i);
    for (size_t round = 0; round < rounds; round++) {
        KV_OPAQUE_NARROW(factor);
#pragma unroll
        for (int i = 0; i < CHAINS; i++) sums[i] = _mm256_fmadd_ps(sums[i], factor, addend);
    }
#pragma unroll
    for (int i = 0; i < CHAINS; i++) KV_OPAQUE_NARROW(sums[i]);
    return (uint64_t)rounds * CHAINS * 8;
}

// Without VNNI a dot product is three instructions: pairs of bytes, pairs of 16 bits, the sum.
static uint64_t dot_product(size_t rounds) {
    __m256i sums[CHAINS], magnitudes = _mm256_set1_epi8(3), codes = _mm256_set1_epi8(-5);
    const __m256i ones = _mm256_set1_epi16(1);
    for (int i = 0; i < CHAINS; i++) sums[i] = _mm256_setzero_si256();
    for (size_t round = 0; round < rounds; round++) {
#pragma unroll
        for (int i = 0; i < CHAINS; i++) {
            KV_OPAQUE_NARROW(codes);
            const __m256i pairs = _mm256_maddubs_epi16(magnitudes, codes);
            sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, ones));
        }
    }
#pragma unroll
    for (int i = 0; i < CHAINS; i++) KV_OPAQUE_NARROW(sums[i]);
    return (uint64_t)rounds * CHAINS * 32;
}

static void read_memory(const void *memory, size_t bytes) {
    const __m256i *vectors = memory;
    __m256i bits[8];
    for (int i = 0; i < 8; i++) bits[i] = _mm256_setzero_si256();
    for (size_t at = 0; at < bytes / sizeof *vectors; at += 8) {
#pragma unroll
        for (int i = 0; i < 8; i++) bits[i] = _mm256_or_si256(bits[i], _mm256_load_si256(vectors + at + (size_t)i));
    }
#pragma unroll
    for (int i = 0; i < 8; i++) KV_OPAQUE_NARROW(bits[i]);
}

static void write_memory(void *memory, size_t bytes) {
    __m256i *vectors = memory, value = _mm256_set1_epi8(7);
    for (size_t at = 0; at < bytes / sizeof *vectors; at += 8) {
        KV_OPAQUE_NARROW(value);
#pragma unroll
        for (int i = 0; i < 8; i++) _mm256_store_si256(vectors + at + (size_t)i, value);
    }
}

#pragma clang attribute pop

const kv_limit_loops kv_limit_avx2 = {
    .multiply_add = multiply_add,
    .dot_product = dot_product,
    .read = read_memory,
    .write = write_memory,
};

#endif
