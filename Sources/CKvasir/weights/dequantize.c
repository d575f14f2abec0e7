#include "kv_weights.h"
