// One row of loops per instruction set.
#ifndef KV_LIMIT_LOOPS_H
#define KV_LIMIT_LOOPS_H

#include "machine_limits.h"

extern const kv_limit_loops kv_limit_generic;
#if defined(__x86_64__)
extern const kv_limit_loops kv_limit_avx2;
extern const kv_limit_loops kv_limit_avx512;
#elif defined(__aarch64__)
extern const kv_limit_loops kv_limit_neon;
#endif

// Makes the compiler believe that the vector is read and changed here, so that it can neither drop the work that made
// it nor hoist the work that uses it. Costs no instruction.
#if defined(__x86_64__)
#define KV_OPAQUE(vector) __asm__ volatile("" : "+v"(vector))
#define KV_OPAQUE_NARROW(vector) __asm__ volatile("" : "+x"(vector))
#elif defined(__aarch64__)
#define KV_OPAQUE(vector) __asm__ volatile("" : "+w"(vector))
#endif

#endif
