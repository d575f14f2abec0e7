// Compares the NEON row of every kernel table with the generic row. scripts/test-arm builds and runs it:
//
//     twins neon     compares, then prints the digests; status 1 if anything differs
//     twins bytes    prints the digests of what must be the same on every machine

#include "twins.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kv_isa.h"

enum { PAGE = 65536, MAPPINGS = 256 };  // PAGE: the largest page size of Arm systems

static uint64_t state;
static char case_name[200];
static bool case_failed;
static size_t cases, checks, failures;
static uint64_t digest = 0xcbf29ce484222325;
static struct {
    void *start;
    size_t bytes;
} mappings[MAPPINGS];
static size_t mapping_count;

void twin_seed(uint64_t seed) { state = seed; }

uint64_t twin_bits(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

float twin_uniform(float low, float high) {
    const float part = (float)(twin_bits() >> 40) * 0x1p-24f, reach = (high - low) * part;
    return low + reach;
}

float twin_normal(void) {
    int64_t sum = 0;
    for (int i = 0; i < 12; i++) sum += (int64_t)(twin_bits() >> 48);
    return (float)(sum - 6 * 65536) * 0x1p-16f;
}

void *twin_memory(size_t bytes, size_t alignment) {
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    const size_t whole = (rounded + PAGE - 1) / PAGE * PAGE;
    uint8_t *start = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mapping_count == MAPPINGS || mprotect(start + whole, PAGE, PROT_NONE) != 0) {
        fprintf(stderr, "twins: no memory for %zu bytes\n", bytes);
        exit(2);
    }
    mappings[mapping_count].start = start;
    mappings[mapping_count++].bytes = whole + PAGE;
    return start + whole - rounded;
}

float *twin_floats(size_t count) { return twin_memory(count * sizeof(float), sizeof(float)); }

void twin_fill_normal(float *values, size_t count) {
    for (size_t i = 0; i < count; i++) values[i] = twin_normal();
}

void twin_release(void) {
    while (mapping_count > 0) {
        mapping_count--;
        munmap(mappings[mapping_count].start, mappings[mapping_count].bytes);
    }
}

void twin_case(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(case_name, sizeof case_name, format, arguments);
    va_end(arguments);
    case_failed = false;
    cases++;
}

bool twin_check(bool holds, const char *format, ...) {
    checks++;
    if (holds) return true;
    failures++;
    if (case_failed) return false;
    case_failed = true;
    printf("FAIL %s: ", case_name);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    return false;
}

bool twin_same(const float *a, const float *b, size_t count) { return memcmp(a, b, count * sizeof(float)) == 0; }

void twin_digest(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) digest = (digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
}

void twin_print_digest(const char *name) { printf("digest %s %016llx\n", name, (unsigned long long)digest); }

static void report_fault(int number) {
    static const char reason[] = ": reads or writes beyond its memory\n";
    (void)number;
    if (write(STDOUT_FILENO, "FAIL ", 5) < 0 || write(STDOUT_FILENO, case_name, strlen(case_name)) < 0 ||
        write(STDOUT_FILENO, reason, sizeof reason - 1) < 0) {
        _exit(2);
    }
    _exit(1);
}

int main(int count, char **arguments) {
    const bool compares = count == 2 && strcmp(arguments[1], "neon") == 0;
    if (!compares && !(count == 2 && strcmp(arguments[1], "bytes") == 0)) {
        fprintf(stderr, "usage: %s neon|bytes\n", arguments[0]);
        return 2;
    }
    if (compares && !kv_isa_supported(KV_ISA_NEON)) {
        fprintf(stderr, "twins: this processor does not run the NEON row\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    signal(SIGSEGV, report_fault);
    signal(SIGBUS, report_fault);
    twin_test_blocks(compares);
    twin_test_dense(compares);
    twin_test_coupled(compares);
    twin_test_kivi(compares);
    twin_test_kmeans(compares);
    twin_test_linear(compares);
    twin_test_ops(compares);
    twin_test_qaq(compares);
    twin_test_aligned(compares);
    if (compares) printf("%zu cases, %zu checks, %zu failures\n", cases, checks, failures);
    return failures == 0 ? 0 : 1;
}
