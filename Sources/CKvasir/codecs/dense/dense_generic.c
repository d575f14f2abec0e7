// Storage of the dense codecs, their plain kernels, and the choice of kernels.

#include "dense_internal.h"
#include "kv_half.h"

#define ELEMENT float
#define WIDEN(element) (element)
#define NARROW(value) (value)
#define NAME(suffix) kv_dense_f32_##suffix
#include "dense_plain.inc"

// Clamped, because an infinity would turn the zero weight of a masked token into NaN.
static uint16_t narrow_to_f16(float value) {
    const float limit = 65504.0f;
    return kv_f32_to_f16(value > limit ? limit : value < -limit ? -limit : value);
}

#define ELEMENT uint16_t
#define WIDEN(element) kv_f16_to_f32(element)
#define NARROW(value) narrow_to_f16(value)
#define NAME(suffix) kv_dense_f16_##suffix
#include "dense_plain.inc"

static uint16_t narrow_to_bf16(float value) {
    const uint16_t bits = kv_f32_to_bf16(value), magnitude = bits & 0x7fff;
    return magnitude == 0x7f80 ? (uint16_t)(bits - 1) : bits;  // the largest finite one, for the same reason
}

#define ELEMENT uint16_t
#define WIDEN(element) kv_bf16_to_f32(element)
#define NARROW(value) narrow_to_bf16(value)
#define NAME(suffix) kv_dense_bf16_##suffix
#include "dense_plain.inc"

const kv_dense_kernels *kv_dense_f32_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_dense_f32_kernels_avx512;
    case KV_ISA_AVX2: return &kv_dense_f32_kernels_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_dense_f32_kernels_neon;
#endif
    default: return &kv_dense_f32_kernels_generic;
    }
}

const kv_dense_kernels *kv_dense_f16_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_dense_f16_kernels_avx512;
    case KV_ISA_AVX2: return &kv_dense_f16_kernels_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_dense_f16_kernels_neon;
#endif
    default: return &kv_dense_f16_kernels_generic;
    }
}

const kv_dense_kernels *kv_dense_bf16_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_dense_bf16_kernels_avx512;
    case KV_ISA_AVX2: return &kv_dense_bf16_kernels_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_dense_bf16_kernels_neon;
#endif
    default: return &kv_dense_bf16_kernels_generic;
    }
}
