#include "limit_loops.h"

const kv_limit_loops *kv_limit_loops_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX2:
        return &kv_limit_avx2;
    case KV_ISA_AVX512:
        return &kv_limit_avx512;
#elif defined(__aarch64__)
    case KV_ISA_NEON:
        return &kv_limit_neon;
#endif
    default:
        return &kv_limit_generic;
    }
}
