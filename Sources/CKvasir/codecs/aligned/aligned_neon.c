#if defined(__aarch64__)

#include "../kv_vector.h"
#include "aligned_layout.h"

#define KV_ROWS 1
#include "aligned_kernels.inc"

const kv_aligned_kernels kv_aligned_kernels_neon = {score, choose_values, mix};

#endif
