// The rows of the dispatch table, one per source file. A file whose processor is not the target of the build is empty.
#ifndef KV_LINEAR_KERNELS_H
#define KV_LINEAR_KERNELS_H

#include "kv_linear.h"

extern const kv_linear_kernels kv_linear_generic;

#if defined(__x86_64__)
extern const kv_linear_kernels kv_linear_avx2;
extern const kv_linear_kernels kv_linear_avx512;
#elif defined(__aarch64__)
extern const kv_linear_kernels kv_linear_neon;
#endif

#endif
