// The plain kernels: decode one value, multiply, add. Every other row is tested against them.

#include "blocks_layout.h"

static void score(const kv_block_format *format, const kv_run *keys, uint32_t head, const void *queries, size_t rows,
                  float *scores, size_t stride) {
    const size_t channels = format->heads.head_size;
    for (size_t page = 0; page < kv_run_pages(keys); page++) {
        const uint8_t *part = kv_run_part(keys, page);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            float *target = scores + page * KV_PAGE_TOKENS + slot;
            for (size_t row = 0; row < rows && !format->adds_pairs; row++) target[row * stride] = 0;
            for (size_t channel = 0; channel < channels; channel++) {
                const unsigned code = kv_block_code(format, part, head, kv_key_place(format, slot, channel));
                const float key = kv_block_value(format, part, kv_block_of(format, head, channel), slot, code);
                for (size_t query = 0; query < (format->adds_pairs ? 2 * rows : rows); query++)
                    target[query % rows * stride] += kv_block_query_at(format, queries, query).values[channel] * key;
            }
        }
    }
}

static void mix(const kv_block_format *format, const kv_run *values, uint32_t head, const float *weights, size_t rows,
                size_t stride, float *out) {
    const size_t channels = format->heads.head_size;
    for (size_t token = 0; token < values->tokens; token++) {
        const size_t slot = token % KV_PAGE_TOKENS;
        const uint8_t *part = kv_run_part(values, token / KV_PAGE_TOKENS);
        for (size_t channel = 0; channel < channels; channel++) {
            const unsigned code = kv_block_code(format, part, head, kv_value_place(slot, channel));
            const float value = kv_block_value(format, part, kv_block_of(format, head, channel), slot, code);
            for (size_t row = 0; row < rows; row++)
                out[row * channels + channel] += weights[row * stride + token] * value;
        }
    }
}

const kv_block_kernels kv_block_kernels_generic = {score, mix};

kv_block_kernels kv_block_kernels_for(kv_isa isa, uint32_t bits) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512:
        return kv_isa_has_bf16() ? kv_block_kernels_avx512_bf16[bits] : kv_block_kernels_avx512[bits];
    case KV_ISA_AVX2: return kv_block_kernels_avx2[bits];
#elif defined(__aarch64__)
    case KV_ISA_NEON: return kv_block_kernels_neon[bits];
#endif
    default: return kv_block_kernels_generic;
    }
}
