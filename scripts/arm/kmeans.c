// The inner loops of k-means: the NEON row gives the bits of the generic one, whose results are digested.

#include <math.h>
#include <string.h>

#include "kv_kmeans.h"
#include "twins.h"

enum { TILES = 5, POINTS = TILES * KV_KMEANS_TILE, CENTROIDS = 37 };

static void check(size_t channels, bool compares) {
    const kv_kmeans_kernels *plain = kv_kmeans_kernels_for(KV_ISA_GENERIC);
    const kv_kmeans_kernels *fast = compares ? kv_kmeans_kernels_for(KV_ISA_NEON) : plain;
    float *tiles = twin_floats(POINTS * channels), *centroids = twin_floats(CENTROIDS * channels);
    float *half_norms = twin_floats(CENTROIDS);
    twin_fill_normal(tiles, POINTS * channels);
    twin_fill_normal(centroids, CENTROIDS * channels);
    // Two that are the same: the lower one wins.
    memcpy(centroids + 3 * channels, centroids + channels, channels * sizeof(float));
    for (size_t j = 0; j < CENTROIDS; j++)
        for (size_t channel = 0; channel < channels; channel++)
            half_norms[j] += 0.5f * centroids[j * channels + channel] * centroids[j * channels + channel];

    uint16_t *codes = twin_memory(2 * POINTS * sizeof *codes, sizeof *codes);
    plain->assign(tiles, TILES, channels, centroids, half_norms, CENTROIDS, codes);
    fast->assign(tiles, TILES, channels, centroids, half_norms, CENTROIDS, codes + POINTS);
    twin_check(memcmp(codes, codes + POINTS, POINTS * sizeof *codes) == 0, "assign: not the generic codes");
    twin_digest(codes, POINTS * sizeof *codes);

    float *distances[2], *sums[2];
    for (size_t row = 0; row < 2; row++) {
        distances[row] = twin_floats(POINTS);
        sums[row] = twin_floats(TILES);
        for (size_t point = 0; point < POINTS; point++) distances[row][point] = INFINITY;
        for (size_t j = 0; j < 3; j++)
            (row == 0 ? plain : fast)->approach(tiles, TILES, channels, centroids + j * channels, distances[row],
                                                sums[row]);
    }
    twin_check(twin_same(distances[0], distances[1], POINTS), "approach: not the generic distances");
    twin_check(twin_same(sums[0], sums[1], TILES), "approach: not the generic sums");
    twin_digest(distances[0], POINTS * sizeof(float));
    twin_digest(sums[0], TILES * sizeof(float));

    double *totals = twin_memory(2 * CENTROIDS * (channels + 1) * sizeof *totals, sizeof *totals);
    for (size_t row = 0; row < 2; row++)
        (row == 0 ? plain : fast)->accumulate(tiles, distances[0], codes, POINTS, channels,
                                              totals + row * CENTROIDS * (channels + 1) + CENTROIDS,
                                              totals + row * CENTROIDS * (channels + 1));
    const size_t bytes = CENTROIDS * (channels + 1) * sizeof *totals;
    twin_check(memcmp(totals, totals + CENTROIDS * (channels + 1), bytes) == 0, "accumulate: not the generic sums");
    twin_digest(totals, bytes);
}

void twin_test_kmeans(bool compares) {
    for (size_t channels = 1; channels <= KV_KMEANS_CHANNELS; channels++) {
        twin_case("k-means of %zu channels", channels);
        twin_seed(channels);
        check(channels, compares);
        twin_release();
    }
    twin_print_digest("k-means codes, distances and sums");
}
