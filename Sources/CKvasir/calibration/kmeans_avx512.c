#if defined(__x86_64__)

#include "kmeans_internal.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)

#define TILES 2
#include "kmeans_kernels.inc"

#pragma clang attribute pop

const kv_kmeans_kernels kv_kmeans_kernels_avx512 = KERNEL_TABLE;

#endif
