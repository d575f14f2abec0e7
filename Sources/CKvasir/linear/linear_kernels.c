#include "linear_kernels.h"

const kv_linear_kernels *kv_linear_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX2:
        return &kv_linear_avx2;
    case KV_ISA_AVX512:
        return &kv_linear_avx512;
#elif defined(__aarch64__)
    case KV_ISA_NEON:
        return &kv_linear_neon;
#endif
    default:
        return &kv_linear_generic;
    }
}
