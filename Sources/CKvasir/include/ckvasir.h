// Umbrella header of the C kernels. Every symbol carries the prefix kv_; each domain has one header here, one
// folder in Sources/CKvasir, and one table of function pointers per instruction set.
#ifndef CKVASIR_H
#define CKVASIR_H

#include "kv_aligned.h"
#include "kv_aligned8.h"
#include "kv_block_codes.h"
#include "kv_coupled.h"
#include "kv_dense.h"
#include "kv_half.h"
#include "kv_heap.h"
#include "kv_isa.h"
#include "kv_kivi.h"
#include "kv_kmeans.h"
#include "kv_linear.h"
#include "kv_ops.h"
#include "kv_pages.h"
#include "kv_process.h"
#include "kv_qaq.h"
#include "kv_rotation.h"
#include "kv_weights.h"

#endif
