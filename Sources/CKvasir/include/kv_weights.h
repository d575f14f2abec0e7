// Weight block formats as GGUF stores them: sizes, and the plain conversion to float32.
#ifndef KV_WEIGHTS_H
#define KV_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The numbers are ggml's type ids, as they stand in a GGUF tensor table; beyond them, what is made at load only.
typedef enum {
    KV_WEIGHT_F32 = 0,
    KV_WEIGHT_F16 = 1,
    KV_WEIGHT_Q4_0 = 2,
    KV_WEIGHT_Q4_1 = 3,
    KV_WEIGHT_Q5_0 = 6,
    KV_WEIGHT_Q5_1 = 7,
    KV_WEIGHT_Q8_0 = 8,
    KV_WEIGHT_Q4_K = 12,
    KV_WEIGHT_Q5_K = 13,
    KV_WEIGHT_Q6_K = 14,
    KV_WEIGHT_BF16 = 30,
    KV_WEIGHT_INT8_ROW = 0x10000,  // 8 bits and one float32 scale per row; linear layers only, see kv_linear.h
} kv_weight_type;

// Values in one block of `type` (1 for the float types), or 0 if the type is unknown.
size_t kv_weight_block_values(kv_weight_type type);

// Bytes of one block of `type`, or 0 if the type is unknown.
size_t kv_weight_block_bytes(kv_weight_type type);

// Converts `count` values, a multiple of the block's values, starting at a block boundary.
// `packed` needs no alignment. Returns false, and writes nothing, if the type is unknown or the count does not fit.
bool kv_dequantize(kv_weight_type type, const void *packed, float *values, size_t count);

#endif
