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
    size_t following;          // pages after those of the run that may be read ahead
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

// How many pages ahead kernels read. The parts of consecutive pages lie far apart, so the processor foresees nothing, and
// reading one page's worth of codes takes a few hundred nanoseconds: two pages of work hide it.
#define KV_PAGES_AHEAD 2

// Brings bytes [first, first + count) of the part of a later page into the second-level cache: called bit by bit while
// the current page is worked on, so that neither the work nor the memory waits.
static inline void kv_run_read_ahead(const kv_run *run, size_t page, size_t first, size_t count) {
    const size_t ahead = page + KV_PAGES_AHEAD;
    if (ahead >= kv_run_pages(run) + run->following) return;
    const uint8_t *bytes = kv_run_part(run, ahead) + first;
    for (size_t i = 0; i < count; i += 64) __builtin_prefetch(bytes + i, 0, 2);
}

#endif
