// Portable vectors of 16 lanes: one register with AVX-512, two with AVX2, four with NEON.
// Include inside a region whose target attribute names the instruction set.
#ifndef KV_VECTOR_H
#define KV_VECTOR_H

#include <stdint.h>

// Every function that passes such a vector is inlined, so no call crosses an ABI that differs by instruction set.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float kv_f32x16 __attribute__((vector_size(64)));
typedef float kv_f32x16_unaligned __attribute__((vector_size(64), aligned(4)));
typedef int32_t kv_i32x16 __attribute__((vector_size(64)));
typedef int8_t kv_i8x16 __attribute__((vector_size(16)));
typedef int8_t kv_i8x16_unaligned __attribute__((vector_size(16), aligned(1)));
typedef _Float16 kv_f16x16_unaligned __attribute__((vector_size(32), aligned(2)));

// The sum of all lanes, added in the same order on every machine.
static inline __attribute__((always_inline)) float kv_sum_lanes(kv_f32x16 lanes) {
    const kv_f32x16 eight =
        lanes + __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    const kv_f32x16 four =
        eight + __builtin_shufflevector(eight, eight, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

#endif
