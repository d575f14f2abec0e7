// The transform for any machine, and the choice among all.

#include "rotation_internal.h"
#include "rotation_kernels.inc"

static _Thread_local float scratch[KV_MAX_VECTOR];

float *kv_vector_scratch(void) { return scratch; }

void kv_rotate_generic(float *values, size_t count, size_t block) { rotate(values, count, block); }

kv_rotate kv_rotate_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return kv_rotate_avx512;
    case KV_ISA_AVX2: return kv_rotate_avx2;
#endif
    // Any 64-bit Arm processor has the vectors this compiles to.
    default: return kv_rotate_generic;
    }
}
