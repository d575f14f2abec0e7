// The loops that measure what a machine can do at most: the limits kernels are compared with.
#ifndef KV_MACHINE_LIMITS_H
#define KV_MACHINE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "kv_isa.h"

// The loops of one instruction set. Each uses its full vector width and enough independent chains to hide latency.
typedef struct {
    // Multiplies and adds in float32, from registers only; returns the number of multiply-adds done.
    uint64_t (*multiply_add)(size_t rounds);

    // Multiplies 8-bit integers and adds into 32 bits, from registers only; returns the number of multiply-adds done.
    uint64_t (*dot_product)(size_t rounds);

    // Loads `bytes` bytes, a multiple of 256, from an address aligned to 64.
    void (*read)(const void *memory, size_t bytes);

    // Stores `bytes` bytes, a multiple of 256, to an address aligned to 64.
    void (*write)(void *memory, size_t bytes);
} kv_limit_loops;

// The loops for `isa`; the generic ones if this build has none for it. Never NULL.
// The caller makes sure that the machine executes `isa`.
const kv_limit_loops *kv_limit_loops_for(kv_isa isa);

#endif
