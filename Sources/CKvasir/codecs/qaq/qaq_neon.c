#if defined(__aarch64__)

#include "../kv_vector.h"
#include "qaq_layout.h"

static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

#include "qaq_lanes.h"

#define KV_ROWS 4
#include "qaq_kernels.inc"

const kv_qaq_kernels kv_qaq_neon = {score, mix};

#endif
