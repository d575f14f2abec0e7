import KvasirCache
import KvasirCodecs
import KvasirModels
import KvasirNumerics
import KvasirWeights
import Testing

/// A file that is no model of its family is refused in one line that names what is wrong.
struct HostileModelTests {
    private func load(_ draft: GGUFDraft) throws -> DecoderModel {
        try ModelLoader.load(draft.file(), threads: ThreadPool(threadCount: 1))
    }

    /// Loads a draft after a change and expects a refusal whose text holds all of `parts`.
    private func expectRefusal(
        _ reason: ModelError.Reason, naming parts: [String], _ change: (inout GGUFDraft) -> Void,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var draft = GGUFDraft()
        change(&draft)
        let error = #expect(throws: ModelError.self, sourceLocation: sourceLocation) { try load(draft) }
        guard let error else { return }
        #expect(error.reason == reason, "\(error)", sourceLocation: sourceLocation)
        for part in parts {
            #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation)
        }
        #expect(!error.description.contains("\n"), sourceLocation: sourceLocation)
    }

    @Test func unchangedDraftLoads() throws {
        let info = try load(GGUFDraft()).info
        #expect(info.vocabularySize == 10)
        #expect(info.cacheShape.heads.width == 16)
        #expect(info.cacheShape.groupSize == 2)
    }

    @Test func everyTensorIsRequired() throws {
        for (index, tensor) in GGUFDraft().tensors.enumerated() {
            var draft = GGUFDraft()
            draft.tensors.remove(at: index)
            let error = #expect(throws: WeightError.self) { try load(draft) }
            #expect(error?.reason == .missing)
            #expect(error?.description.contains("'\(tensor.name)'") == true)
            #expect(error?.description.contains("\n") == false)
        }
    }

    @Test func wrongShapeIsNamedBesideTheExpectedOne() {
        for (name, shape) in GGUFDraft().tensors where name != "token_embd.weight" {
            var wrong = shape
            wrong[shape.count - 1] += 16
            expectRefusal(.badTensor, naming: [name, "\(wrong)", "\(shape)"]) { $0.setShape(name, wrong) }
            expectRefusal(.badTensor, naming: [name, "\(shape + [1])", "\(shape)"]) { $0.setShape(name, shape + [1]) }
        }
        expectRefusal(.badTensor, naming: ["token_embd.weight", "[48, 10]", "32"]) {
            $0.setShape("token_embd.weight", [48, 10])
        }
        // The number of tokens is the embedding's; an output matrix with another number contradicts it.
        expectRefusal(.badTensor, naming: ["output.weight", "[32, 11]", "[32, 10]"]) {
            $0.tensors.append(("output.weight", [32, 11]))
        }
    }

    @Test(arguments: ["blk.0.attn_q.bias", "blk.1.attn_q.weight", "blk.0.attn_q_norm.weight"])
    func tensorThatNobodyUsesIsNamed(name: String) {
        expectRefusal(.unsupportedFeature, naming: ["'\(name)'", "llama"]) { $0.tensors.append((name, [16])) }
    }

    @Test(arguments: [
        "block_count", "embedding_length", "feed_forward_length", "context_length", "attention.head_count",
        "attention.layer_norm_rms_epsilon",
    ])
    func missingNumberIsNamed(key: String) {
        expectRefusal(.badMetadata, naming: ["llama.\(key)", "missing"]) { $0.metadata["llama.\(key)"] = nil }
    }

    @Test(arguments: [
        "block_count", "embedding_length", "feed_forward_length", "context_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "rope.dimension_count",
    ])
    func impossibleNumberIsNamed(key: String) {
        for value in [0, UInt32.max] {
            expectRefusal(.badMetadata, naming: ["llama.\(key)", "\(value)"]) {
                $0.metadata["llama.\(key)"] = .uint32(value)
            }
        }
    }

    @Test func contradictoryNumbersAreNamed() {
        expectRefusal(.badMetadata, naming: ["llama.attention.head_count_kv = 3", "2"]) {
            $0.metadata["llama.attention.head_count_kv"] = .uint32(3)
        }
        expectRefusal(.unsupportedFeature, naming: ["llama.attention.value_length = 8", "16"]) {
            $0.metadata["llama.attention.value_length"] = .uint32(8)
        }
        for dimensions in [15, 18] as [UInt32] {
            expectRefusal(.badMetadata, naming: ["llama.rope.dimension_count = \(dimensions)", "16"]) {
                $0.metadata["llama.rope.dimension_count"] = .uint32(dimensions)
            }
        }
        for epsilon in [-1, 1, .nan, .infinity] as [Float] {
            expectRefusal(.badMetadata, naming: ["llama.attention.layer_norm_rms_epsilon"]) {
                $0.metadata["llama.attention.layer_norm_rms_epsilon"] = .float32(epsilon)
            }
        }
        for base in [0, -1, .nan, .infinity] as [Float] {
            expectRefusal(.badMetadata, naming: ["llama.rope.freq_base = \(base)"]) {
                $0.metadata["llama.rope.freq_base"] = .float32(base)
            }
        }
    }

    /// More layers than memory could list, of which the file has one.
    @Test func claimedLayersTakeNoMemory() {
        var draft = GGUFDraft()
        draft.metadata["llama.block_count"] = .uint32(1 << 24)
        let error = #expect(throws: WeightError.self) { try load(draft) }
        #expect(error?.description.contains("blk.1.attn_norm.weight") == true)
    }

    @Test func missingArchitectureIsNamed() {
        var draft = GGUFDraft()
        draft.metadata["general.architecture"] = nil
        let error = #expect(throws: GGUFError.self) { try load(draft) }
        #expect(error?.reason == .missingKey)
        #expect(error?.description.contains("general.architecture") == true)
    }

    @Test func numberOfAnotherTypeIsNamed() {
        var draft = GGUFDraft()
        draft.metadata["llama.block_count"] = .string("1")
        let error = #expect(throws: GGUFError.self) { try load(draft) }
        #expect(error?.reason == .wrongType)
        #expect(error?.description.contains("llama.block_count") == true)
    }

    @Test func whatTheFamilyLacksIsNamed() {
        expectRefusal(.unsupportedArchitecture, naming: ["general.architecture = mamba", "llama", "qwen2"]) {
            $0.metadata["general.architecture"] = .string("mamba")
        }
        expectRefusal(.unsupportedFeature, naming: ["llama.rope.scaling.type = yarn"]) {
            $0.metadata["llama.rope.scaling.type"] = .string("yarn")
        }
        for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
            for factor in [-4, .nan, .infinity] as [Float] {
                expectRefusal(.badMetadata, naming: ["\(key) = \(factor)"]) { $0.metadata[key] = .float32(factor) }
            }
        }
        expectRefusal(.badTensor, naming: ["'rope_freqs.weight'", "[16]", "[8]"]) {
            $0.tensors.append(("rope_freqs.weight", [16]))
        }
        // The draft's tensors are zero.
        expectRefusal(.badTensor, naming: ["'rope_freqs.weight'", "positive"]) {
            $0.tensors.append(("rope_freqs.weight", [8]))
        }
        expectRefusal(.unsupportedFeature, naming: ["llama.expert_count", "dense"]) {
            $0.metadata["llama.expert_count"] = .uint32(8)
        }
    }

    @Test func absentScalingMayBeSpelledOut() throws {
        var draft = GGUFDraft()
        draft.metadata["llama.rope.scaling.type"] = .string("none")
        draft.metadata["llama.rope.scaling.factor"] = .float32(1)
        draft.metadata["llama.rope.scale_linear"] = .float32(0)
        draft.metadata["llama.expert_count"] = .uint32(0)
        #expect(try load(draft).info.architecture == "llama")
    }
}
