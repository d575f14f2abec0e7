#if defined(__aarch64__)

#include "kmeans_internal.h"

#define TILES 1
#include "kmeans_kernels.inc"

const kv_kmeans_kernels kv_kmeans_kernels_neon = KERNEL_TABLE;

#endif
