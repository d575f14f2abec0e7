// Where codes, scales and zeros lie; see kv_kivi.h for the picture.
#ifndef KV_KIVI_LAYOUT_H
#define KV_KIVI_LAYOUT_H

#include "../blocks/blocks_layout.h"
#include "kv_kivi.h"

#define KV_PAGE_TILES (KV_PAGE_TOKENS / KV_TILE_TOKENS)

// The codes of one head in one tile.
static inline size_t kv_kivi_tile_at(const kv_kivi_format *format, size_t head, size_t tile) {
    return (head * KV_PAGE_TILES + tile) * format->tile_bytes;
}

// The scales of one head in one group; its zeros follow.
static inline size_t kv_kivi_scales_at(const kv_kivi_format *format, size_t head, size_t group) {
    return format->numbers_at + (head * format->groups + group) * 2 * format->heads.head_size * sizeof(uint16_t);
}

static inline float kv_kivi_key(const kv_kivi_format *format, const void *part, size_t head, size_t slot,
                                size_t channel) {
    const uint8_t *tile = (const uint8_t *)part + kv_kivi_tile_at(format, head, slot / KV_TILE_TOKENS);
    const size_t panel = channel / KV_PANEL_DEPTH, per_vector = 8 / format->bits;
    const size_t lane = slot % KV_TILE_TOKENS, depth = channel % KV_PANEL_DEPTH;
    const unsigned byte = tile[panel / per_vector * KV_VECTOR_BYTES + lane * KV_PANEL_DEPTH + depth];
    const unsigned code = byte >> (panel % per_vector * format->bits) & ((1u << format->bits) - 1);
    const uint16_t *scales =
        (const uint16_t *)((const uint8_t *)part + kv_kivi_scales_at(format, head, slot / format->group));
    const float product = (float)code * kv_f16_to_f32(scales[channel]);
    return product + kv_f16_to_f32(scales[format->heads.head_size + channel]);
}

#if defined(__x86_64__)
// By bits; entries for 2 and 4.
extern const kv_kivi_score kv_kivi_score_avx2[5], kv_kivi_score_avx512[5];
#elif defined(__aarch64__)
extern const kv_kivi_score kv_kivi_score_neon[5];
#endif

#endif
