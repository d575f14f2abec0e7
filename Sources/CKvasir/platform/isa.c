#include "kv_isa.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

bool kv_isa_supported(kv_isa isa) {
    switch (isa) {
    case KV_ISA_GENERIC:
        return true;
#if defined(__x86_64__)
    // __builtin_cpu_supports asks the operating system (XGETBV) too, so wide registers are really saved.
    case KV_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case KV_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
               kv_isa_supported(KV_ISA_AVX2);
#elif defined(__aarch64__) && defined(__linux__)
    case KV_ISA_NEON:
        return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
    case KV_ISA_NEON:
        return true;  // every Apple processor that runs macOS on Arm has the dot product
#endif
    default:
        return false;
    }
}

bool kv_isa_has_bf16(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}
