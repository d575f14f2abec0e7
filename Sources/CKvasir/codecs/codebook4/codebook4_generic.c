// The plain kernels of the 4-bit codebook codec: decode one value, multiply, add. Every other row is tested against it.

#include "codebook4_internal.h"

static void score(const kv_codebook4 *codebook, const kv_run *keys, uint32_t head, const void *queries, size_t rows,
                  float *scores, size_t stride) {
    const size_t channels = codebook->heads.head_size;
    for (size_t page = 0; page < kv_run_pages(keys); page++) {
        const uint8_t *part = kv_run_part(keys, page);
        const uint8_t *codes = part + head * kv_codebook4_head_bytes(codebook);
        for (size_t slot = 0; slot < KV_PAGE_TOKENS; slot++) {
            const size_t tile = slot / KV_TILE_TOKENS, lane = slot % KV_TILE_TOKENS;
            const uint8_t *token = codes + tile * (channels / 8) * KV_VECTOR_BYTES + lane * 4;
            for (size_t row = 0; row < rows; row++) {
                const float *query = kv_codebook4_query_at(codebook, queries, row).values;
                float sum = 0;
                for (size_t channel = 0; channel < channels; channel++) {
                    const uint8_t byte = token[channel / 8 * KV_VECTOR_BYTES + channel % 4];
                    const float level = codebook->levels[channel % 8 < 4 ? byte & 15 : byte >> 4];
                    const size_t block = kv_codebook4_block_of(codebook, head, channel);
                    sum += query[channel] * level * kv_f16_to_f32(kv_codebook4_scales(codebook, part, block)[slot]);
                }
                scores[row * stride + page * KV_PAGE_TOKENS + slot] = sum;
            }
        }
    }
}

static void mix(const kv_codebook4 *codebook, const kv_run *values, uint32_t head, const float *weights, size_t rows,
                size_t stride, float *out) {
    const size_t channels = codebook->heads.head_size;
    for (size_t token = 0; token < values->tokens; token++) {
        const size_t slot = token % KV_PAGE_TOKENS;
        const uint8_t *part = kv_run_part(values, token / KV_PAGE_TOKENS);
        const uint8_t *codes = part + head * kv_codebook4_head_bytes(codebook) + slot / 8 * KV_VECTOR_BYTES + slot % 4;
        for (size_t channel = 0; channel < channels; channel++) {
            const size_t group = channel / KV_LANE_CHANNELS, lane = channel % KV_LANE_CHANNELS;
            const uint8_t byte = codes[group * (KV_PAGE_TOKENS / 8) * KV_VECTOR_BYTES + lane * 4];
            const size_t block = kv_codebook4_block_of(codebook, head, channel);
            const float value = codebook->levels[slot % 8 < 4 ? byte & 15 : byte >> 4] *
                                kv_f16_to_f32(kv_codebook4_scales(codebook, part, block)[slot]);
            for (size_t row = 0; row < rows; row++)
                out[row * channels + channel] += weights[row * stride + token] * value;
        }
    }
}

const kv_codebook4_kernels kv_codebook4_kernels_generic = {score, mix};

const kv_codebook4_kernels *kv_codebook4_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_codebook4_kernels_avx512;
    case KV_ISA_AVX2: return &kv_codebook4_kernels_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_codebook4_kernels_neon;
#endif
    default: return &kv_codebook4_kernels_generic;
    }
}
