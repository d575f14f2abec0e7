// How attention kernels see cached tokens: a run of pages, each holding the same number of tokens.
#ifndef KV_PAGES_H
#define KV_PAGES_H

#include <stddef.h>
#include <stdint.h>

// Tokens in a page, for every codec.
#define KV_PAGE_TOKENS 64

// Tokens that lie side by side in a key tile: lanes are tokens, so a dot product over channels needs no horizontal sum.
#define KV_TILE_TOKENS 16

// Channels of a head are handled 16 at a time by the vector kernels.
#define KV_LANE_CHANNELS 16

// The longest vector of one token (KV heads x head size) a codec takes: encoders keep its indices on the stack.
#define KV_MAX_VECTOR 16384

// The first `tokens` tokens of consecutive pages, in one part (one layer's keys, or its values) of each page.
typedef struct {
    const void *const *pages;  // base address of each page
    size_t offset;             // where the part starts in a page, in bytes
    size_t tokens;
} kv_run;

// The heads of one layer's keys or values.
typedef struct {
    uint32_t kv_heads;
    uint32_t head_size;
} kv_heads;

static inline const uint8_t *kv_run_part(const kv_run *run, size_t page) {
    return (const uint8_t *)run->pages[page] + run->offset;
}

static inline size_t kv_run_pages(const kv_run *run) { return (run->tokens + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS; }

#endif
