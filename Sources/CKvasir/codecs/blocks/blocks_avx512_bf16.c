// Mixing with bfloat16 dot products: half the instructions of two 7-bit passes, and none to round weights to integers.
//
// Levels are looked up as bfloat16 by a 16-bit permute whose table of 32 entries ignores the upper bits of its index: a
// 16-bit word of codes serves as two indices, of its low byte at once and of its high byte after a shift. A word holds the
// codes of two neighbouring depths, so one register of pairs has the tokens 0 and 2 of each panel and the next 1 and 3;
// the weights are brought into the same order. Products and sums are float32.

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512bf16,fma,f16c"))), apply_to = function)

#include "blocks_avx512.h"
#include "blocks_kernels.inc"

// Levels of four tokens: 0 and 2, 1 and 3.
typedef struct {
    __m512bh even, odd;
} level_pairs;

INLINE __m512bh look_up(__m512i words, __m512i levels) { return (__m512bh)_mm512_permutexvar_epi16(words, levels); }

// Panel `i` of 16 channels; where fields are at the bottom of a byte the index needs no mask.
INLINE level_pairs unpack_pairs(unsigned bits, kv_panels at, size_t i, __m512i levels) {
    __m512i words;
    if (bits == 4)
        words = _mm512_srli_epi16(load_vector(at.fields + i / 2 * KV_VECTOR_BYTES), i % 2 * 4);
    else if (bits == 2)
        words = _mm512_srli_epi16(load_vector(at.fields + i / 4 * KV_VECTOR_BYTES), i % 4 * 2);
    else
        words = unpack(bits, at, i);
    return (level_pairs){look_up(words, levels), look_up(_mm512_srli_epi16(words, 8), levels)};
}

// The weights of one row for the 64 tokens of a page, times the block's scales, in pairs as levels are.
typedef struct {
    int32_t pairs[KV_PAGE_TOKENS / 2];
    float offset;
    bool is_zero;
} paired_weights;

INLINE void pair_weights(const kv_block_format *format, const uint8_t *part, size_t block, const float *weights,
                         paired_weights *row) {
    const uint8_t *scales = kv_block_scales(format, part, block), *offsets = kv_block_offsets(format, part, block);
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
    kv_f32x16 offset = {0};
    __m512 any = _mm512_setzero_ps();
    for (size_t i = 0; i < KV_PAGE_TOKENS / 32; i++) {
        kv_f32x16 scaled[2];
        for (size_t half = 0; half < 2; half++) {
            const size_t token = 32 * i + 16 * half;
            const kv_f32x16 weight = *(const kv_f32x16_unaligned *)(weights + token);
            scaled[half] = weight * load_numbers(format->wide_scales, scales, token);
            if (format->has_offsets) offset += weight * load_numbers(format->wide_scales, offsets, token);
            any = _mm512_or_ps(any, (__m512)scaled[half]);
        }
        const __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh((__m512)scaled[1], (__m512)scaled[0]);
        _mm512_storeu_si512(row->pairs + 16 * i, _mm512_shuffle_epi8(rounded, order));
    }
    row->offset = format->has_offsets ? kv_sum_lanes(offset) : 0;
    row->is_zero = _mm512_test_epi32_mask((__m512i)any, (__m512i)any) == 0 && row->offset == 0;
}

INLINE void mix_pairs(unsigned bits, const kv_block_format *format, const kv_run *values, uint32_t head,
                      const float *weights, size_t rows, size_t stride, float *out) {
    const size_t channels = format->heads.head_size;
    const __m512i levels = _mm512_loadu_si512(format->level_bf16);
    const block_cursor first_block = block_cursor_at(format, head);
    paired_weights paired[ROW_CHUNK];
    for (size_t page = 0; page < kv_run_pages(values); page++) {
        const uint8_t *part = kv_run_part(values, page);
        for (size_t first = 0; first < rows; first += ROW_CHUNK) {
            const size_t count = rows - first < ROW_CHUNK ? rows - first : ROW_CHUNK;
            block_cursor cursor = first_block;
            for (size_t channel = 0; channel < channels; channel += KV_LANE_CHANNELS) {
                if (enters_block(format, &cursor, channel))
                    for (size_t row = 0; row < count; row++)
                        pair_weights(format, part, cursor.block,
                                     weights + (first + row) * stride + page * KV_PAGE_TOKENS, &paired[row]);
                const size_t lanes = channel / KV_LANE_CHANNELS;
                if (first == 0) read_ahead(format, values, page, head, lanes, channels / KV_LANE_CHANNELS);
                // Half a page at a time, so that its levels stay in registers.
                for (size_t half = 0; half < 2; half++) {
                    const size_t first_panel = lanes * KV_PAGE_PANELS + half * KV_PAGE_PANELS / 2;
                    const kv_panels at = kv_panels_at(format, part, head, first_panel);
                    level_pairs pairs[KV_PAGE_PANELS / 2];
#pragma clang loop unroll(full)
                    for (size_t i = 0; i < KV_PAGE_PANELS / 2; i++) pairs[i] = unpack_pairs(bits, at, i, levels);
                    for (size_t row = 0; row < count; row++) {
                        if (paired[row].is_zero) continue;
                        const int32_t *pair = paired[row].pairs + half * KV_PAGE_PANELS;
                        float *target = out + (first + row) * channels + channel;
                        __m512 even = _mm512_loadu_ps(target), odd = _mm512_set1_ps(half == 0 ? paired[row].offset : 0);
#pragma clang loop unroll(full)
                        for (size_t i = 0; i < KV_PAGE_PANELS / 2; i++) {
                            even = _mm512_dpbf16_ps(even, pairs[i].even, (__m512bh)_mm512_set1_epi32(pair[2 * i]));
                            odd = _mm512_dpbf16_ps(odd, pairs[i].odd, (__m512bh)_mm512_set1_epi32(pair[2 * i + 1]));
                        }
                        _mm512_storeu_ps(target, _mm512_add_ps(even, odd));
                    }
                }
            }
        }
    }
}

#define PAIR_KERNEL_OF(bits)                                                                    \
    static void mix_pairs_##bits(const kv_block_format *format, const kv_run *values, uint32_t head, \
                                 const float *weights, size_t rows, size_t stride, float *out) {     \
        mix_pairs(bits, format, values, head, weights, rows, stride, out);                           \
    }

PAIR_KERNEL_OF(1)
PAIR_KERNEL_OF(2)
PAIR_KERNEL_OF(3)
PAIR_KERNEL_OF(4)
PAIR_KERNEL_OF(5)

#pragma clang attribute pop

// Eight-bit codes are more precise than bfloat16: they keep the integer kernel.
const kv_block_kernels kv_block_kernels_avx512_bf16[9] = {
    [1] = {score_1, mix_pairs_1}, [2] = {score_2, mix_pairs_2}, [3] = {score_3, mix_pairs_3},
    [4] = {score_4, mix_pairs_4}, [5] = {score_5, mix_pairs_5}, [8] = {score_8, mix_8},
};

#endif
