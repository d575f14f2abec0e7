#ifndef KV_KMEANS_INTERNAL_H
#define KV_KMEANS_INTERNAL_H

#include "kv_kmeans.h"

extern const kv_kmeans_kernels kv_kmeans_kernels_generic;
#if defined(__x86_64__)
extern const kv_kmeans_kernels kv_kmeans_kernels_avx2;
extern const kv_kmeans_kernels kv_kmeans_kernels_avx512;
#elif defined(__aarch64__)
extern const kv_kmeans_kernels kv_kmeans_kernels_neon;
#endif

#endif
