// The allocator of this process.
#ifndef KV_HEAP_H
#define KV_HEAP_H

// Gives the memory that was freed and is kept for later back to the system, where there is a way to.
void kv_heap_trim(void);

#endif
