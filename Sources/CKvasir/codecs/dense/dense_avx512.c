#if defined(__x86_64__)

#include "../kv_vector.h"
#include "dense_internal.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) kv_f32x16 kv_broadcast(float value) { return value - (kv_f32x16){0}; }

#define KV_ROWS 12

#define ELEMENT float
#define WIDEN_LANES(elements) (elements)
#define NAME(suffix) f32_##suffix
#include "dense_vector.inc"

#define ELEMENT _Float16
#define WIDEN_LANES(elements) __builtin_convertvector(elements, kv_f32x16)
#define NAME(suffix) f16_##suffix
#include "dense_vector.inc"

#define ELEMENT uint16_t
#define WIDEN_LANES(elements) kv_widen_bf16(elements)
#define NAME(suffix) bf16_##suffix
#include "dense_vector.inc"

#pragma clang attribute pop

const kv_dense_kernels kv_dense_f32_kernels_avx512 = {f32_score, f32_mix};
const kv_dense_kernels kv_dense_f16_kernels_avx512 = {f16_score, f16_mix};
const kv_dense_kernels kv_dense_bf16_kernels_avx512 = {bf16_score, bf16_mix};

#endif
