#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#include "../kv_vector.h"
#include "coupled_layout.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

#define KV_ROWS 12
#define ROWS_TOGETHER 3
#define GROUPS_TOGETHER 4
#define HAS_OTHER_ENCODER
#include "coupled_kernels.inc"
#include "coupled_pairs.inc"
#include "coupled_products.inc"

#pragma clang attribute pop

// Registers of 512 bits widen halves at half the rate on the machines this was measured on: encoding is left to AVX2.
const kv_coupled_kernels kv_coupled_avx512 = {kv_coupled_encode_avx2, score, products_of_query, score_with_products, mix};

#endif
