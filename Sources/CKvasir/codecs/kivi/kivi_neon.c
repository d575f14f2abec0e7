#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "../blocks/blocks_neon.h"
#include "kivi_layout.h"
#include "kivi_kernels.inc"

#pragma clang attribute pop

const kv_kivi_score kv_kivi_score_neon[5] = KERNEL_TABLE;

#endif
