// Instruction sets, and which of them this machine runs.
#ifndef KV_ISA_H
#define KV_ISA_H

#include <stdbool.h>

typedef enum {
    KV_ISA_GENERIC = 0,  // portable C, the twin every other row is tested against
    KV_ISA_AVX2 = 1,     // AVX2, FMA, F16C
    KV_ISA_AVX512 = 2,   // AVX-512 F, BW, DQ, VL, VNNI, VBMI
    KV_ISA_NEON = 3,     // Armv8.2 with dot product
} kv_isa;

// True if this processor, and the operating system it runs under, execute `isa`.
bool kv_isa_supported(kv_isa isa);

// True if the processor multiplies pairs of bfloat16 (AVX512_BF16): some that run KV_ISA_AVX512 do not.
bool kv_isa_has_bf16(void);

// Tells the processor that the calling thread spins, waiting for another one.
static inline void kv_spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
