#ifndef KV_DENSE_INTERNAL_H
#define KV_DENSE_INTERNAL_H

#include "kv_dense.h"

extern const kv_dense_kernels kv_dense_f32_kernels_generic, kv_dense_f16_kernels_generic,
    kv_dense_bf16_kernels_generic;
#if defined(__x86_64__)
extern const kv_dense_kernels kv_dense_f32_kernels_avx2, kv_dense_f16_kernels_avx2,
    kv_dense_bf16_kernels_avx2;
extern const kv_dense_kernels kv_dense_f32_kernels_avx512, kv_dense_f16_kernels_avx512,
    kv_dense_bf16_kernels_avx512;
#elif defined(__aarch64__)
extern const kv_dense_kernels kv_dense_f32_kernels_neon, kv_dense_f16_kernels_neon,
    kv_dense_bf16_kernels_neon;
#endif

#endif
