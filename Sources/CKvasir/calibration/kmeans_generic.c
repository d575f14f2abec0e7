// The kernels for any machine, one number at a time, and the choice among all.

#include <math.h>

#include "kmeans_internal.h"

static float at(const float *tiles, size_t channels, size_t point, size_t channel) {
    return tiles[(point / KV_KMEANS_TILE * channels + channel) * KV_KMEANS_TILE + point % KV_KMEANS_TILE];
}

static void assign(const float *tiles, size_t tile_count, size_t channels, const float *centroids,
                   const float *half_norms, size_t count, uint16_t *codes) {
    for (size_t point = 0; point < tile_count * KV_KMEANS_TILE; point++) {
        float best = INFINITY;
        codes[point] = 0;
        for (size_t j = 0; j < count; j++) {
            float score = half_norms[j];
            for (size_t channel = 0; channel < channels; channel++)
                score = fmaf(-at(tiles, channels, point, channel), centroids[j * channels + channel], score);
            if (score < best) {
                best = score;
                codes[point] = (uint16_t)j;
            }
        }
    }
}

static void approach(const float *tiles, size_t tile_count, size_t channels, const float *centroid, float *distances,
                     float *sums) {
    for (size_t tile = 0; tile < tile_count; tile++) {
        float *target = distances + tile * KV_KMEANS_TILE;
        for (size_t point = 0; point < KV_KMEANS_TILE; point++) {
            float distance = 0;
            for (size_t channel = 0; channel < channels; channel++) {
                const float difference = at(tiles, channels, tile * KV_KMEANS_TILE + point, channel) - centroid[channel];
                distance = fmaf(difference, difference, distance);
            }
            if (distance < target[point]) target[point] = distance;
        }
        // The order of kv_sum_lanes.
        float four[4];
        for (size_t i = 0; i < 4; i++) four[i] = (target[i] + target[i + 8]) + (target[i + 4] + target[i + 12]);
        sums[tile] = (four[0] + four[2]) + (four[1] + four[3]);
    }
}

static void accumulate(const float *rows, const float *weights, const uint16_t *codes, size_t count, size_t channels,
                       double *sums, double *totals) {
    for (size_t point = 0; point < count; point++) {
        totals[codes[point]] += weights[point];
        for (size_t channel = 0; channel < channels; channel++)
            sums[codes[point] * channels + channel] += (double)weights[point] * rows[point * channels + channel];
    }
}

const kv_kmeans_kernels kv_kmeans_kernels_generic = {assign, approach, accumulate};

const kv_kmeans_kernels *kv_kmeans_kernels_for(kv_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return &kv_kmeans_kernels_avx512;
    case KV_ISA_AVX2: return &kv_kmeans_kernels_avx2;
#elif defined(__aarch64__)
    case KV_ISA_NEON: return &kv_kmeans_kernels_neon;
#endif
    default: return &kv_kmeans_kernels_generic;
    }
}
