// Where codes, scales and prepared queries lie; see kv_block_codes.h for the picture.
#ifndef KV_BLOCKS_LAYOUT_H
#define KV_BLOCKS_LAYOUT_H

#include "kv_block_codes.h"
#include "kv_half.h"

#define KV_VECTOR_BYTES 64
#define KV_PANEL_DEPTH 4
// Panels of 4 tokens in a page.
#define KV_PAGE_PANELS (KV_PAGE_TOKENS / KV_PANEL_DEPTH)

// Bits of a code that lie in 64-byte vectors; the odd one, if any, lies in the plane of single bits.
#define KV_FIELD_BITS(bits) ((bits) == 1 ? 0 : (bits) == 3 ? 2 : (bits) == 5 ? 4 : (bits))
#define KV_HAS_PLANE(bits) (((bits) & 1) != 0)

static inline size_t kv_block_of(const kv_block_format *format, size_t head, size_t channel) {
    return (head * format->heads.head_size + channel) / format->block;
}

// The codes of `panels` consecutive panels from `first` on of one head.
typedef struct {
    const uint8_t *fields;
    const uint64_t *plane;
} kv_panels;

static inline kv_panels kv_panels_at(const kv_block_format *format, const void *part, size_t head, size_t first) {
    const uint8_t *codes = (const uint8_t *)part + head * format->head_bytes;
    return (kv_panels){codes + first * KV_VECTOR_BYTES * KV_FIELD_BITS(format->bits) / 8,
                       (const uint64_t *)(codes + format->plane_bytes) + first};
}

static inline const uint8_t *kv_block_scales(const kv_block_format *format, const void *part, size_t block) {
    return (const uint8_t *)part + format->scales_at + block * KV_PAGE_TOKENS * (format->wide_scales ? 4 : 2);
}

static inline const uint8_t *kv_block_offsets(const kv_block_format *format, const void *part, size_t block) {
    return (const uint8_t *)part + format->offsets_at + block * KV_PAGE_TOKENS * (format->wide_scales ? 4 : 2);
}

static inline float kv_block_number(const kv_block_format *format, const uint8_t *numbers, size_t slot) {
    return format->wide_scales ? ((const float *)numbers)[slot] : kv_f16_to_f32(((const uint16_t *)numbers)[slot]);
}

// Where one code is: a panel of a head, a lane, a depth.
typedef struct {
    size_t panel;
    unsigned bit;  // 4 * lane + depth
} kv_code_place;

static inline kv_code_place kv_key_place(const kv_block_format *format, size_t slot, size_t channel) {
    const size_t tile = slot / KV_TILE_TOKENS, lane = slot % KV_TILE_TOKENS;
    return (kv_code_place){tile * (format->heads.head_size / KV_PANEL_DEPTH) + channel / KV_PANEL_DEPTH,
                           (unsigned)(lane * KV_PANEL_DEPTH + channel % KV_PANEL_DEPTH)};
}

static inline kv_code_place kv_value_place(size_t slot, size_t channel) {
    const size_t group = channel / KV_LANE_CHANNELS, lane = channel % KV_LANE_CHANNELS;
    return (kv_code_place){group * KV_PAGE_PANELS + slot / KV_PANEL_DEPTH,
                           (unsigned)(lane * KV_PANEL_DEPTH + slot % KV_PANEL_DEPTH)};
}

static inline unsigned kv_block_code(const kv_block_format *format, const void *part, size_t head,
                                     kv_code_place place) {
    const kv_panels panels = kv_panels_at(format, part, head, 0);
    const unsigned width = KV_FIELD_BITS(format->bits);
    unsigned code = 0;
    if (width > 0) {
        const size_t per_vector = 8 / width;
        const unsigned byte = panels.fields[place.panel / per_vector * KV_VECTOR_BYTES + place.bit];
        code = byte >> (place.panel % per_vector * width) & ((1u << width) - 1);
    }
    if (KV_HAS_PLANE(format->bits)) code |= (unsigned)(panels.plane[place.panel] >> place.bit & 1) << width;
    return code;
}

// The value at `slot` of a code in block `block`: what every kernel approximates.
static inline float kv_block_value(const kv_block_format *format, const void *part, size_t block, size_t slot,
                                   unsigned code) {
    const float level = format->bits == 8 ? (float)(int8_t)code : format->levels[code];
    const float value = level * kv_block_number(format, kv_block_scales(format, part, block), slot);
    return format->has_offsets ? value + kv_block_number(format, kv_block_offsets(format, part, block), slot) : value;
}

// A prepared query: head_size floats, then per unit the scale of its codes, the sum of its codes and their product, then
// head_size codes.
typedef struct {
    const float *values;
    const float *scales;
    const int32_t *code_sums;
    const float *sums;
    const int8_t *codes;
} kv_block_query;

static inline kv_block_query kv_block_query_at(const kv_block_format *format, const void *queries, size_t row) {
    const size_t channels = format->heads.head_size, units = channels / format->unit;
    kv_block_query query;
    query.values = (const float *)((const uint8_t *)queries + row * format->query_bytes);
    query.scales = query.values + channels;
    query.code_sums = (const int32_t *)(query.scales + units);
    query.sums = (const float *)(query.code_sums + units);
    query.codes = (const int8_t *)(query.sums + units);
    return query;
}

extern const kv_block_kernels kv_block_kernels_generic;
#if defined(__x86_64__)
// By bits; no entry for 6 and 7.
extern const kv_block_kernels kv_block_kernels_avx2[9], kv_block_kernels_avx512[9], kv_block_kernels_avx512_bf16[9];
#elif defined(__aarch64__)
extern const kv_block_kernels kv_block_kernels_neon[9];
#endif

#endif
