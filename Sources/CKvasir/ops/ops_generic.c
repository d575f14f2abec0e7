#define KVO_TABLE kv_ops_generic
#define KVO_HALF_LANES 0
#include "ops_rows.h"
