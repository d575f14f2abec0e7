internal import KvasirCodecs

extension ModelFamily {
    /// Qwen3: queries and keys are normed by head, before rotary embedding.
    ///
    /// Source: Yang et al., "Qwen3 technical report" (arXiv:2505.09388), section 2.
    static let qwen3 = ModelFamily(gguf: ["qwen3"], huggingFace: ["qwen3"]) { _ in
        GatedDecoder.Traits(channelOrder: .halves, hasHeadNorms: true, isWindowOptional: true)
    }
}
