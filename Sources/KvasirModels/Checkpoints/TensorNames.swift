/// What the tensors of a family are called in a format.
///
/// `#` stands for the number of a layer, `@` for a prefix that some files leave out. A role's name has no ending: `.weight`
/// and `.bias` follow.
struct TensorNames: Sendable {
    /// What a tensor does in the model.
    enum Role: Sendable, Hashable {
        case tokenEmbedding, positionEmbedding, embeddingProjection
        case attentionNorm, query, key, value, queryKeyValue, queryNorm, keyNorm, attentionOutput, attentionPostNorm
        case feedForwardNorm, gate, up, down, feedForwardPostNorm
        case outputNorm, outputProjection, output, rotaryFactors
    }

    /// The names by role.
    var names: [Role: String]
    /// What `@` may stand for; the first one under which the token embedding is found counts.
    var prefixes: [String] = [""]
    /// Endings of tensors that files hold besides and that are no weights: tables that follow from the configuration.
    var ignored: [String] = []

    /// GGUF's names, the same for all families.
    static let gguf = TensorNames(names: [
        .tokenEmbedding: "token_embd", .positionEmbedding: "position_embd", .attentionNorm: "blk.#.attn_norm",
        .query: "blk.#.attn_q", .key: "blk.#.attn_k", .value: "blk.#.attn_v", .queryKeyValue: "blk.#.attn_qkv",
        .queryNorm: "blk.#.attn_q_norm", .keyNorm: "blk.#.attn_k_norm", .attentionOutput: "blk.#.attn_output",
        .attentionPostNorm: "blk.#.post_attention_norm", .feedForwardNorm: "blk.#.ffn_norm",
        .gate: "blk.#.ffn_gate", .up: "blk.#.ffn_up", .down: "blk.#.ffn_down",
        .feedForwardPostNorm: "blk.#.post_ffw_norm", .outputNorm: "output_norm", .output: "output",
        .rotaryFactors: "rope_freqs",
    ])

    /// The names of Hugging Face's Llama, which many families took over.
    static let huggingFace = TensorNames(
        names: [
            .tokenEmbedding: "@embed_tokens", .attentionNorm: "@layers.#.input_layernorm",
            .query: "@layers.#.self_attn.q_proj", .key: "@layers.#.self_attn.k_proj",
            .value: "@layers.#.self_attn.v_proj", .queryNorm: "@layers.#.self_attn.q_norm",
            .keyNorm: "@layers.#.self_attn.k_norm", .attentionOutput: "@layers.#.self_attn.o_proj",
            .feedForwardNorm: "@layers.#.post_attention_layernorm", .gate: "@layers.#.mlp.gate_proj",
            .up: "@layers.#.mlp.up_proj", .down: "@layers.#.mlp.down_proj", .outputNorm: "@norm", .output: "lm_head",
        ],
        prefixes: ["model.", ""], ignored: ["rotary_emb.inv_freq"])

    /// The names of the families that are built like Llama.
    static func llama(_ format: Checkpoint.Format) -> TensorNames { format == .gguf ? .gguf : .huggingFace }

    /// The same with other names for some roles.
    func with(_ other: [Role: String]) -> TensorNames {
        var result = self
        result.names.merge(other) { $1 }
        return result
    }
}
