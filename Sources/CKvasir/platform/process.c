#define _GNU_SOURCE

#include "kv_process.h"

#if defined(__linux__)

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// Segments that cannot be written were never changed, relocations included: the file has every page of them.
static int release_object(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    const uintptr_t page = *(const uintptr_t *)context;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
        const uintptr_t start = object->dlpi_addr + segment->p_vaddr;
        // Whole pages of the file only: the last one may be shared with a segment that can be written.
        const uintptr_t first = (start + page - 1) & ~(page - 1), end = (start + segment->p_filesz) & ~(page - 1);
        // The kernel's own object refuses, and keeps its pages.
        if (first < end) (void)madvise((void *)first, end - first, MADV_DONTNEED);
    }
    return 0;
}

void kv_release_code(void) {
    const long page = sysconf(_SC_PAGESIZE);
    if (page <= 0) return;
    uintptr_t size = (uintptr_t)page;
    dl_iterate_phdr(release_object, &size);
}

#else

void kv_release_code(void) {}

#endif
