// The quantizers for any machine, and the choice among all.

#include "quantize_internal.h"
#include "quantize_kernels.inc"

const kv_block_quantizer kv_block_quantizers_generic[KV_QUANTIZERS] = QUANTIZER_TABLE;

kv_block_quantizer kv_block_quantizer_for(kv_isa isa, kv_quantization quantization) {
    switch (isa) {
#if defined(__x86_64__)
    case KV_ISA_AVX512: return kv_block_quantizers_avx512[quantization];
    case KV_ISA_AVX2: return kv_block_quantizers_avx2[quantization];
#endif
    // Any 64-bit Arm processor has the vectors this compiles to.
    default: return kv_block_quantizers_generic[quantization];
    }
}
