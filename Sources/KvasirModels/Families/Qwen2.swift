internal import KvasirCodecs

extension ModelFamily {
    /// Qwen2 and Qwen2.5: queries, keys and values have biases.
    ///
    /// Source: Yang et al., "Qwen2 technical report" (arXiv:2407.10671), section 2.2.
    static let qwen2 = ModelFamily(gguf: ["qwen2"], huggingFace: ["qwen2"]) { _ in
        GatedDecoder.Traits(channelOrder: .halves, hasProjectionBiases: true, isWindowOptional: true)
    }
}
