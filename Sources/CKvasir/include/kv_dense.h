// Cache codecs that store every value as a float: f32, f16 and bf16.
//
// Key part of a page:   [kv head][tile of 16 tokens][channel][16 tokens]
// Value part of a page: [kv head][token][channel]
#ifndef KV_DENSE_H
#define KV_DENSE_H

#include "kv_isa.h"
#include "kv_pages.h"

// All functions: `rows` are the query heads (times query tokens) that share one KV head. A row's result does not
// depend on how many rows are handled together, nor on how a run is cut, as long as it is cut between pages.
typedef struct {
    // scores[row * stride + token] = sum over channels of queries[row * head_size + channel] * key.
    // Writes whole pages: `stride` is at least the tokens of the run rounded up to KV_PAGE_TOKENS.
    void (*score)(kv_heads heads, const kv_run *keys, uint32_t head, const float *queries, size_t rows, float *scores,
                  size_t stride);
    // out[row * head_size + channel] += sum over tokens of weights[row * stride + token] * value.
    void (*mix)(kv_heads heads, const kv_run *values, uint32_t head, const float *weights, size_t rows, size_t stride,
                float *out);
} kv_dense_kernels;

const kv_dense_kernels *kv_dense_f32_kernels_for(kv_isa isa);
const kv_dense_kernels *kv_dense_f16_kernels_for(kv_isa isa);
const kv_dense_kernels *kv_dense_bf16_kernels_for(kv_isa isa);

// Stores one token's vector of kv_heads * head_size values at `slot` of a page part, or reads it back. Values beyond the
// range of a 16-bit type are stored as its largest with their sign, NaN as NaN.
void kv_dense_f32_encode_keys(kv_heads heads, const float *vector, size_t slot, void *part);
void kv_dense_f32_encode_values(kv_heads heads, const float *vector, size_t slot, void *part);
void kv_dense_f32_decode_keys(kv_heads heads, const void *part, size_t slot, float *vector);
void kv_dense_f32_decode_values(kv_heads heads, const void *part, size_t slot, float *vector);
void kv_dense_f16_encode_keys(kv_heads heads, const float *vector, size_t slot, void *part);
void kv_dense_f16_encode_values(kv_heads heads, const float *vector, size_t slot, void *part);
void kv_dense_f16_decode_keys(kv_heads heads, const void *part, size_t slot, float *vector);
void kv_dense_f16_decode_values(kv_heads heads, const void *part, size_t slot, float *vector);
void kv_dense_bf16_encode_keys(kv_heads heads, const float *vector, size_t slot, void *part);
void kv_dense_bf16_encode_values(kv_heads heads, const float *vector, size_t slot, void *part);
void kv_dense_bf16_decode_keys(kv_heads heads, const void *part, size_t slot, float *vector);
void kv_dense_bf16_decode_values(kv_heads heads, const void *part, size_t slot, float *vector);

#endif
