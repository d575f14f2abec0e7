// The inner loops of k-means: nearest centroids, distances to a new one, weighted sums.
//
// Points lie in tiles of 16 side by side, [tile][channel][point], so that a register holds one channel of 16 points and
// no kernel searches across lanes. Every product is fused with the sum it goes into and every sum has one order: the
// same bits on every instruction set.
#ifndef KV_KMEANS_H
#define KV_KMEANS_H

#include <stddef.h>
#include <stdint.h>

#include "kv_isa.h"

// Points of a tile.
#define KV_KMEANS_TILE 16
// The most channels of a point.
#define KV_KMEANS_CHANNELS 16

typedef struct {
    // Writes the number of the centroid that is nearest to each point: the least half_norms[j] - <x, centroids[j]>, the
    // lowest j on a tie. `codes` has room for whole tiles.
    //
    // centroids: [count][channels]; half_norms: half of each one's squared length.
    void (*assign)(const float *tiles, size_t tile_count, size_t channels, const float *centroids,
                   const float *half_norms, size_t count, uint16_t *codes);

    // Lowers distances[point] to the squared distance to `centroid` where that is less, and writes the sum of each tile's
    // distances.
    void (*approach)(const float *tiles, size_t tile_count, size_t channels, const float *centroid, float *distances,
                     float *sums);

    // Adds weight * point to sums[code] and weight to totals[code], point after point.
    //
    // rows: [count][channels], the same points one after the other. Products of two floats are exact in double precision.
    void (*accumulate)(const float *rows, const float *weights, const uint16_t *codes, size_t count, size_t channels,
                       double *sums, double *totals);
} kv_kmeans_kernels;

const kv_kmeans_kernels *kv_kmeans_kernels_for(kv_isa isa);

#endif
