// The rows of the dispatch table, one per source file. A file whose processor is not the target of the build is empty.
#ifndef KV_OPS_KERNELS_H
#define KV_OPS_KERNELS_H

#include "kv_ops.h"

extern const kv_ops_kernels kv_ops_generic;

#if defined(__x86_64__)
extern const kv_ops_kernels kv_ops_avx2;
extern const kv_ops_kernels kv_ops_avx512;
#elif defined(__aarch64__)
extern const kv_ops_kernels kv_ops_neon;
#endif

#endif
