#if defined(__x86_64__)

#include "../kv_vector.h"
#include "qaq_layout.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

#include "qaq_lanes.h"

#define KV_ROWS 4
#include "qaq_kernels.inc"

#pragma clang attribute pop

const kv_qaq_kernels kv_qaq_avx2 = {score, mix};

#endif
