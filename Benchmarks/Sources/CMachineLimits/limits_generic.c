// Portable loops: what the compiler makes of plain C for the build's baseline processor.

#include <string.h>

#include "limit_loops.h"

enum { LANES = 32, CODES = 4096 };

// Keeps what memory holds from being computed at compile time or dropped.
#define KV_CLOBBER(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

static uint64_t multiply_add(size_t rounds) {
    float sums[LANES], factor = 0.999f, addend = 0.001f;
    for (int lane = 0; lane < LANES; lane++) sums[lane] = (float)lane;
    KV_CLOBBER(&factor);
    KV_CLOBBER(&addend);
    for (size_t round = 0; round < rounds; round++)
        for (int lane = 0; lane < LANES; lane++) sums[lane] = sums[lane] * factor + addend;
    KV_CLOBBER(sums);
    return (uint64_t)rounds * LANES;
}

static uint64_t dot_product(size_t rounds) {
    int8_t first[CODES], second[CODES];
    memset(first, 3, sizeof first);
    memset(second, 5, sizeof second);
    const size_t passes = rounds / 64 + 1;
    int32_t sum = 0;
    for (size_t pass = 0; pass < passes; pass++) {
        KV_CLOBBER(first);
        KV_CLOBBER(second);
        for (int i = 0; i < CODES; i++) sum += (int32_t)first[i] * second[i];
    }
    KV_CLOBBER(&sum);
    return (uint64_t)passes * CODES;
}

static void read_memory(const void *memory, size_t bytes) {
    const uint64_t *words = memory;
    uint64_t bits = 0;
    for (size_t i = 0; i < bytes / sizeof *words; i++) bits |= words[i];
    KV_CLOBBER(&bits);
}

static void write_memory(void *memory, size_t bytes) {
    uint64_t *words = memory;
    for (size_t i = 0; i < bytes / sizeof *words; i++) words[i] = i;
    KV_CLOBBER(memory);
}

const kv_limit_loops kv_limit_generic = {
    .multiply_add = multiply_add,
    .dot_product = dot_product,
    .read = read_memory,
    .write = write_memory,
};
