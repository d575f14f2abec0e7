// The orthonormal Walsh-Hadamard transform of consecutive blocks of a vector: its own inverse, so one function turns
// keys, queries and values and turns them back.
#ifndef KV_ROTATION_H
#define KV_ROTATION_H

#include <stddef.h>

#include "kv_isa.h"

// Transforms `count` values, `block` at a time, in place. `block` is a power of two from 16 on and divides `count`. The
// same bits on every instruction set.
typedef void (*kv_rotate)(float *values, size_t count, size_t block);

kv_rotate kv_rotate_for(kv_isa isa);

// Memory of the calling thread for KV_MAX_VECTOR floats, so that a vector can be transformed without an allocation and
// without touching the original. Valid until the thread's next call.
float *kv_vector_scratch(void);

#endif
