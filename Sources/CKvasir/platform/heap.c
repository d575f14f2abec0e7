#include "kv_heap.h"

// Any header of the library says whether it is the GNU one.
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

void kv_heap_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
