#if defined(__aarch64__)

#include <arm_neon.h>

#include "limit_loops.h"

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

enum { CHAINS = 24 };

static uint64_t multiply_add(size_t rounds) {
    float32x4_t sums[CHAINS], factor = vdupq_n_f32(0.999f), operand = vdupq_n_f32(0.001f);
    for (int i = 0; i < CHAINS; i++) sums[i] = vdupq_n_f32((float)i);
    for (size_t round = 0; round < rounds; round++) {
        KV_OPAQUE(factor);
#pragma unroll
        for (int i = 0; i < CHAINS; i++) sums[i] = vfmaq_f32(sums[i], factor, operand);
    }
#pragma unroll
    for (int i = 0; i < CHAINS; i++) KV_OPAQUE(sums[i]);
    return (uint64_t)rounds * CHAINS * 4;
}

static uint64_t dot_product(size_t rounds) {
    int32x4_t sums[CHAINS];
    int8x16_t first = vdupq_n_s8(3), second = vdupq_n_s8(-5);
    for (int i = 0; i < CHAINS; i++) sums[i] = vdupq_n_s32(0);
    for (size_t round = 0; round < rounds; round++) {
        KV_OPAQUE(second);
#pragma unroll
        for (int i = 0; i < CHAINS; i++) sums[i] = vdotq_s32(sums[i], first, second);
    }
#pragma unroll
    for (int i = 0; i < CHAINS; i++) KV_OPAQUE(sums[i]);
    return (uint64_t)rounds * CHAINS * 16;
}

static void read_memory(const void *memory, size_t bytes) {
    const uint8_t *start = memory;
    uint8x16_t bits[16];
    for (int i = 0; i < 16; i++) bits[i] = vdupq_n_u8(0);
    for (size_t at = 0; at < bytes; at += 256) {
#pragma unroll
        for (int i = 0; i < 16; i++) bits[i] = vorrq_u8(bits[i], vld1q_u8(start + at + 16 * (size_t)i));
    }
#pragma unroll
    for (int i = 0; i < 16; i++) KV_OPAQUE(bits[i]);
}

static void write_memory(void *memory, size_t bytes) {
    uint8_t *start = memory;
    uint8x16_t value = vdupq_n_u8(7);
    for (size_t at = 0; at < bytes; at += 256) {
        KV_OPAQUE(value);
#pragma unroll
        for (int i = 0; i < 16; i++) vst1q_u8(start + at + 16 * (size_t)i, value);
    }
}

#pragma clang attribute pop

const kv_limit_loops kv_limit_neon = {
    .multiply_add = multiply_add,
    .dot_product = dot_product,
    .read = read_memory,
    .write = write_memory,
};

#endif
