#if defined(__x86_64__)

#include "kmeans_internal.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define TILES 1
#include "kmeans_kernels.inc"

#pragma clang attribute pop

const kv_kmeans_kernels kv_kmeans_kernels_avx2 = KERNEL_TABLE;

#endif
