#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "blocks_neon.h"
#include "blocks_kernels.inc"

#pragma clang attribute pop

const kv_block_kernels kv_block_kernels_neon[9] = KERNEL_TABLE;

#endif
