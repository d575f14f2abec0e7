#if defined(__x86_64__)

#include "aligned8_layout.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "../kv_vector.h"

#include "aligned8_kernels.inc"

#pragma clang attribute pop

const kv_aligned8_kernels kv_aligned8_kernels_avx2 = {choose_keys, score, choose_values, mix};

#endif
