internal import KvasirCodecs

extension ModelFamily {
    /// Llama, and Mistral, whose layers may attend to a sliding window.
    ///
    /// GGUF stores query and key rows permuted so that rotary embedding turns neighbouring channels.
    /// Sources: Touvron et al., "LLaMA" (arXiv:2302.13971), section 2.2; Jiang et al., "Mistral 7B" (arXiv:2310.06825).
    static let llama = ModelFamily(gguf: ["llama"], huggingFace: ["llama", "mistral"]) { format in
        GatedDecoder.Traits(channelOrder: format == .gguf ? .interleaved : .halves)
    }
}
