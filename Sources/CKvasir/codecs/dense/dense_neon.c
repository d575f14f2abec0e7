#if defined(__aarch64__)

#include "../kv_vector.h"
#include "dense_internal.h"


static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

#define KV_ROWS 4

#define ELEMENT float
#define NAME(suffix) f32_##suffix
#include "dense_vector.inc"

#define ELEMENT _Float16
#define NAME(suffix) f16_##suffix
#include "dense_vector.inc"


const kv_dense_kernels kv_dense_f32_kernels_neon = {f32_score, f32_mix};
const kv_dense_kernels kv_dense_f16_kernels_neon = {f16_score, f16_mix};

#endif
