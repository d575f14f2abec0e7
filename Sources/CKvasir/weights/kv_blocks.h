// Byte layouts of the weight blocks, as they stand in a file. Internal to the C target.
//
// The structs are packed, so their alignment is 1: a block pointer may be made from any byte address. Multi-byte fields
// are little-endian, like every machine this target supports. Fields carry the names ggml publishes.
//
//   d, dmin      scale of the values and of the minima, binary16
//   m            minimum of the block, binary16
//   qs, ql       low bits of the codes; qh the high bits
//   scales       scales of the sub-blocks
#ifndef KV_BLOCKS_H
#define KV_BLOCKS_H

#include <assert.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weight blocks are read in place and need a little-endian machine"
#endif

#define KV_PACKED __attribute__((packed))

enum {
    KV_BLOCK_VALUES = 32,         // Q4_0 to Q8_0
    KV_SUPER_BLOCK_VALUES = 256,  // the K types
};

// value[i] = d * (low nibble of qs[i] - 8), value[i + 16] = d * (high nibble - 8)
typedef struct KV_PACKED {
    uint16_t d;
    uint8_t qs[16];
} kv_block_q4_0;

// value[i] = d * low nibble of qs[i] + m, value[i + 16] = d * high nibble + m
typedef struct KV_PACKED {
    uint16_t d;
    uint16_t m;
    uint8_t qs[16];
} kv_block_q4_1;

// As Q4_0 with a fifth bit, bit i of qh for value i; the codes are centred on 16.
typedef struct KV_PACKED {
    uint16_t d;
    uint8_t qh[4];
    uint8_t qs[16];
} kv_block_q5_0;

// As Q4_1 with a fifth bit, bit i of qh for value i.
typedef struct KV_PACKED {
    uint16_t d;
    uint16_t m;
    uint8_t qh[4];
    uint8_t qs[16];
} kv_block_q5_1;

// value[i] = d * qs[i]
typedef struct KV_PACKED {
    uint16_t d;
    int8_t qs[32];
} kv_block_q8_0;

// Eight sub-blocks of 32: value = d * scale[s] * code - dmin * min[s]. Each 32 bytes of qs hold sub-block 2k in the low
// nibbles and 2k + 1 in the high ones. `scales` packs eight 6-bit scales and eight 6-bit minima.
typedef struct KV_PACKED {
    uint16_t d;
    uint16_t dmin;
    uint8_t scales[12];
    uint8_t qs[128];
} kv_block_q4_K;

// As Q4_K with a fifth bit: bit s of qh[i] belongs to value i of sub-block s.
typedef struct KV_PACKED {
    uint16_t d;
    uint16_t dmin;
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
} kv_block_q5_K;

// Sixteen sub-blocks of 16: value = d * scales[s] * (code - 32). Each half of 128 values takes 64 bytes of ql and 32 of
// qh; byte qh[i] holds the two high bits of the values i, i + 32, i + 64 and i + 96.
typedef struct KV_PACKED {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    uint16_t d;
} kv_block_q6_K;

_Static_assert(sizeof(kv_block_q4_0) == 18, "Q4_0 block");
_Static_assert(sizeof(kv_block_q4_1) == 20, "Q4_1 block");
_Static_assert(sizeof(kv_block_q5_0) == 22, "Q5_0 block");
_Static_assert(sizeof(kv_block_q5_1) == 24, "Q5_1 block");
_Static_assert(sizeof(kv_block_q8_0) == 34, "Q8_0 block");
_Static_assert(sizeof(kv_block_q4_K) == 144, "Q4_K block");
_Static_assert(sizeof(kv_block_q5_K) == 176, "Q5_K block");
_Static_assert(sizeof(kv_block_q6_K) == 210, "Q6_K block");
_Static_assert(_Alignof(kv_block_q4_1) == 1, "blocks may start at any byte");

// The 6-bit scale and minimum of sub-block `index` (0...7) in the 12 bytes Q4_K and Q5_K keep them in: the first four
// are whole in bytes 0-3 and 4-7; the last four have their low bits in bytes 8-11 and their two high bits on top of
// bytes 0-3 (scale) and 4-7 (minimum).
static inline void kv_k_scale_min(const uint8_t *scales, int index, uint8_t *scale, uint8_t *minimum) {
    if (index < 4) {
        *scale = scales[index] & 0x3f;
        *minimum = scales[index + 4] & 0x3f;
    } else {
        const uint8_t low = scales[index + 4];
        *scale = (uint8_t)((low & 0x0f) | ((scales[index - 4] >> 6) << 4));
        *minimum = (uint8_t)((low >> 4) | ((scales[index] >> 6) << 4));
    }
}

#endif
