#if defined(__aarch64__)

#include <math.h>

#include "../kv_vector.h"
#include "coupled_layout.h"

static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

#define KV_ROWS 4
#define ROWS_TOGETHER 3
#define GROUPS_TOGETHER 4
#include "coupled_kernels.inc"

const kv_coupled_kernels kv_coupled_neon = {encode, score_tiles, products, score_products, mix};

#endif
