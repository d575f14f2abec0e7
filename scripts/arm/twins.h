// What the parts of the twin test share: random numbers that are the same on every machine, memory that ends where
// reading on would fault, reports of failures, and digests of bytes that must not depend on the machine.
#ifndef TWINS_H
#define TWINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Restarts the random numbers; they use integers and single IEEE operations only.
void twin_seed(uint64_t seed);
uint64_t twin_bits(void);
float twin_uniform(float low, float high);
float twin_normal(void);

// Zeroed memory at a multiple of `alignment` whose end, up to that alignment, borders on an inaccessible page.
void *twin_memory(size_t bytes, size_t alignment);
float *twin_floats(size_t count);
void twin_fill_normal(float *values, size_t count);
// Releases all of it.
void twin_release(void);

// Names what is tested from here on.
void twin_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Counts a check, and reports the first that fails of a case.
bool twin_check(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool twin_same(const float *a, const float *b, size_t count);

// Adds bytes to the digest that the end of the program prints.
void twin_digest(const void *bytes, size_t count);
void twin_print_digest(const char *name);

// Each compares the NEON row with the generic one, or, if `compares` is false, digests bytes only.
void twin_test_aligned(bool compares);
void twin_test_blocks(bool compares);
void twin_test_dense(bool compares);
void twin_test_coupled(bool compares);
void twin_test_kivi(bool compares);
void twin_test_kmeans(bool compares);
void twin_test_linear(bool compares);
void twin_test_ops(bool compares);
void twin_test_qaq(bool compares);

#endif
