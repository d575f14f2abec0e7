import KvasirModels
import KvasirNumerics
import KvasirWeights
import Testing

/// A Hugging Face folder that is no model of its family is refused in one line that names what is wrong.
struct HostileFolderTests {
    private func expectRefusal(
        _ family: TinyFamily, _ reason: ModelError.Reason, naming parts: [String],
        sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout FolderDraft) throws -> Void
    ) throws {
        var draft = try family.folder()
        try change(&draft)
        let error = #expect(throws: ModelError.self, sourceLocation: sourceLocation) {
            try ModelLoader.load(draft.checkpoint(), threads: ThreadPool(threadCount: 1))
        }
        guard let error else { return }
        #expect(error.reason == reason, "\(error)", sourceLocation: sourceLocation)
        for part in parts { #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation) }
        #expect(!error.description.contains("\n"), sourceLocation: sourceLocation)
    }

    @Test(arguments: TinyFamily.allCases)
    func everyTensorIsRequired(family: TinyFamily) throws {
        let folder = try family.folder()
        for name in folder.tensors.keys.sorted() {
            var draft = folder
            draft.remove(name)
            let error = #expect(throws: WeightError.self) {
                try ModelLoader.load(draft.checkpoint(), threads: ThreadPool(threadCount: 1))
            }
            #expect(error?.reason == .missing)
            #expect(error?.description.contains("'\(name)'") == true, "\(name): \(error.map(\.description) ?? "")")
        }
    }

    @Test(arguments: TinyFamily.allCases)
    func wrongShapeIsNamedBesideTheExpectedOne(family: TinyFamily) throws {
        for (name, tensor) in try family.folder().tensors {
            var wrong = tensor.shape
            wrong[0] += 16
            try expectRefusal(family, .badTensor, naming: [name, "\(wrong)"]) { try $0.setZeros(name, wrong) }
        }
    }

    @Test(arguments: TinyFamily.allCases)
    func tensorThatNobodyUsesIsNamed(family: TinyFamily) throws {
        try expectRefusal(family, .unsupportedFeature, naming: ["'extra.weight'"]) {
            try $0.setZeros("extra.weight", [16])
        }
    }

    @Test func unknownActivationIsNamedBesideTheKnownOnes() throws {
        for (family, key, known) in [
            (TinyFamily.llama, "hidden_act", "silu"), (.qwen2, "hidden_act", "silu"),
            (.gemma3, "hidden_activation", "gelu_pytorch_tanh"), (.gpt2, "activation_function", "gelu_new"),
            (.opt, "activation_function", "relu"),
        ] {
            try expectRefusal(family, .unsupportedFeature, naming: ["\(key) = mish", known]) {
                $0.configuration[key] = "mish"
            }
        }
    }

    @Test func configurationThatContradictsTheTensorsIsNamed() throws {
        try expectRefusal(.qwen2, .badTensor, naming: ["embed_tokens.weight", "[32, 64]", "vocab_size = 65"]) {
            $0.configuration["vocab_size"] = 65
        }
        try expectRefusal(.llama, .badTensor, naming: ["gate_proj.weight", "[20, 24]", "[20, 25]"]) {
            $0.configuration["intermediate_size"] = 25
        }
        try expectRefusal(.gpt2, .badTensor, naming: ["wpe.weight", "[32, 64]", "[32, 65]"]) {
            $0.configuration["n_positions"] = 65
        }
        // Two rows of the table stand before the first position.
        try expectRefusal(.opt, .badTensor, naming: ["embed_positions.weight", "[32, 66]", "[32, 67]"]) {
            $0.configuration["max_position_embeddings"] = 65
        }
        try expectRefusal(.gemma3, .badMetadata, naming: ["layer_types of 3 layers", "4", "num_hidden_layers"]) {
            $0.configuration["num_hidden_layers"] = 4
        }
        try expectRefusal(.llama, .badMetadata, naming: ["num_key_value_heads = 3", "4"]) {
            $0.configuration["num_key_value_heads"] = 3
        }
        // A layer that the configuration does not count.
        try expectRefusal(.qwen3, .unsupportedFeature, naming: ["model.layers.1."]) {
            $0.configuration["num_hidden_layers"] = 1
        }
    }

    @Test func whatTheFamilyLacksIsNamed() throws {
        try expectRefusal(.llama, .unsupportedArchitecture, naming: ["model_type = falcon", "llama", "opt"]) {
            $0.configuration["model_type"] = "falcon"
        }
        try expectRefusal(.llama, .badMetadata, naming: ["model_type", "missing"]) {
            $0.configuration["model_type"] = nil
        }
        try expectRefusal(.llama, .unsupportedFeature, naming: ["rope_scaling.rope_type = yarn", "llama3"]) {
            $0.configuration["rope_scaling"] = ["rope_type": "yarn", "factor": 4.0] as [String: Any]
        }
        try expectRefusal(.llama3, .badMetadata, naming: ["rope_scaling.low_freq_factor", "missing"]) {
            $0.configuration["rope_scaling"] = ["type": "llama3", "factor": 8.0] as [String: Any]
        }
        try expectRefusal(.llama, .unsupportedFeature, naming: ["partial_rotary_factor"]) {
            $0.configuration["partial_rotary_factor"] = 0.5
        }
        try expectRefusal(.gemma3, .unsupportedFeature, naming: ["final_logit_softcapping"]) {
            $0.configuration["final_logit_softcapping"] = 30.0
        }
        try expectRefusal(.gemma3, .unsupportedFeature, naming: ["layer_types = chunked_attention"]) {
            $0.configuration["layer_types"] = ["chunked_attention", "full_attention", "full_attention"]
        }
        try expectRefusal(.gpt2, .unsupportedFeature, naming: ["scale_attn_by_inverse_layer_idx = true"]) {
            $0.configuration["scale_attn_by_inverse_layer_idx"] = true
        }
        try expectRefusal(.opt, .unsupportedFeature, naming: ["enable_bias = false"]) {
            $0.configuration["enable_bias"] = false
        }
    }

    /// Files of base models leave out the prefix; old ones hold tables that follow from the configuration.
    @Test func otherSpellingsOfTheSameModelLoad() throws {
        let threads = try ThreadPool(threadCount: 1)
        for (family, prefix, table) in [
            (TinyFamily.gpt2, "transformer.", "h.0.attn.bias"), (.opt, "model.", nil),
            (.llama3, "model.", "layers.0.self_attn.rotary_emb.inv_freq"),
        ] {
            var draft = try family.folder()
            try draft.rename { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
            if let table { try draft.setZeros(table, [8]) }
            let model = try ModelLoader.load(draft.checkpoint(), threads: threads)
            let runner = try Runner(model, cache: "f32", instructionSet: .best, threads: threads)
            let description = try family.description()
            let logits = try runner.run(description.prompt, in: [100]).suffix(description.positions)
            #expect(try relativeError(Array(logits), family.referenceLogits()) < 1e-4)
        }
    }

    /// The names that configurations had before `rope_parameters`.
    @Test func olderSpellingsOfRotaryEmbeddingAreTheSame() throws {
        let threads = try ThreadPool(threadCount: 1)
        let older: [(TinyFamily, [String: Any])] = [
            (.llamaLinear, ["rope_theta": 1e4, "rope_scaling": ["type": "linear", "factor": 4.0] as [String: Any]]),
            (
                .gemma3,
                [
                    "rope_theta": 1e6, "rope_local_base_freq": 1e4,
                    "rope_scaling": ["rope_type": "linear", "factor": 8.0] as [String: Any],
                ]
            ),
        ]
        for (family, settings) in older {
            var draft = try family.folder()
            draft.configuration["rope_parameters"] = nil
            draft.configuration.merge(settings) { $1 }
            let model = try ModelLoader.load(draft.checkpoint(), threads: threads)
            let runner = try Runner(model, cache: "f32", instructionSet: .best, threads: threads)
            let description = try family.description()
            let logits = try runner.run(description.prompt, in: [100]).suffix(description.positions)
            #expect(try relativeError(Array(logits), family.referenceLogits()) < 1e-4)
        }
    }
}
