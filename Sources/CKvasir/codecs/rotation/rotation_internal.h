#ifndef KV_ROTATION_INTERNAL_H
#define KV_ROTATION_INTERNAL_H

#include <math.h>

#include "kv_pages.h"
#include "kv_rotation.h"

void kv_rotate_generic(float *values, size_t count, size_t block);
#if defined(__x86_64__)
void kv_rotate_avx2(float *values, size_t count, size_t block);
void kv_rotate_avx512(float *values, size_t count, size_t block);
#endif

#endif
