#if defined(__aarch64__)

#include "aligned8_layout.h"

#include "../kv_vector.h"

#include "aligned8_kernels.inc"

const kv_aligned8_kernels kv_aligned8_kernels_neon = {choose_keys, score, choose_values, mix};

#endif
