#include "ops_kernels.h"

const kv_ops_kernels *kv_ops_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX2:
        return &kv_ops_avx2;
    case KV_ISA_AVX512:
        return &kv_ops_avx512;
#elif defined(__aarch64__)
    case KV_ISA_NEON:
        return &kv_ops_neon;
#endif
    default:
        return &kv_ops_generic;
    }
}
