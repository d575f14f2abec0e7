import Foundation
import KvasirEngine
import KvasirNumerics

/// A Hugging Face model folder in memory: a Llama of one layer with arbitrary weights, and a small GPT-2 tokenizer.
struct TinyFolder {
    /// A tensor by its row-major shape.
    struct Tensor {
        var name: String
        var shape: [Int]
    }

    static let vocabularySize = 640
    private static let hidden = 64
    private static let inner = 96

    var configuration: [String: any Sendable] = [
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
        "vocab_size": vocabularySize, "hidden_act": "silu", "rope_theta": 10000.0, "eos_token_id": [0],
    ]
    var tensors = [
        Tensor(name: "model.embed_tokens.weight", shape: [vocabularySize, hidden]),
        Tensor(name: "model.layers.0.input_layernorm.weight", shape: [hidden]),
        Tensor(name: "model.layers.0.self_attn.q_proj.weight", shape: [hidden, hidden]),
        Tensor(name: "model.layers.0.self_attn.k_proj.weight", shape: [hidden / 2, hidden]),
        Tensor(name: "model.layers.0.self_attn.v_proj.weight", shape: [hidden / 2, hidden]),
        Tensor(name: "model.layers.0.self_attn.o_proj.weight", shape: [hidden, hidden]),
        Tensor(name: "model.layers.0.post_attention_layernorm.weight", shape: [hidden]),
        Tensor(name: "model.layers.0.mlp.gate_proj.weight", shape: [inner, hidden]),
        Tensor(name: "model.layers.0.mlp.up_proj.weight", shape: [inner, hidden]),
        Tensor(name: "model.layers.0.mlp.down_proj.weight", shape: [hidden, inner]),
        Tensor(name: "model.norm.weight", shape: [hidden]),
        Tensor(name: "lm_head.weight", shape: [vocabularySize, hidden]),
    ]
    /// Files besides, by name; they replace those that are made here.
    var files: [String: Data] = [:]
    /// Whether the tensors lie in two files with an index.
    var isSharded = false
    var hasTokenizer = true

    /// Writes the folder, calls `body` with its path, and removes it.
    func with<Result>(_ body: (URL) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "kvasir-\(UUID().uuidString)/tiny-llama")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder.deletingLastPathComponent()) }
        try JSONSerialization.data(withJSONObject: configuration).write(to: folder.appending(path: "config.json"))
        if isSharded {
            let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
            let parts = [tensors.prefix(5), tensors.dropFirst(5)]
            var map: [String: String] = [:]
            for (name, part) in zip(names, parts) {
                try Self.safetensors(Array(part)).write(to: folder.appending(path: name))
                for tensor in part { map[tensor.name] = name }
            }
            try JSONSerialization.data(withJSONObject: ["weight_map": map]).write(
                to: folder.appending(path: "model.safetensors.index.json"))
        } else {
            try Self.safetensors(tensors).write(to: folder.appending(path: "model.safetensors"))
        }
        if hasTokenizer {
            for name in ["vocab.json", "merges.txt"] {
                try Self.fixture("hf-gpt2.\(name)").write(to: folder.appending(path: name))
            }
        }
        for (name, data) in files { try data.write(to: folder.appending(path: name)) }
        return try body(folder)
    }

    func load() throws -> LanguageModel {
        try with { try LanguageModel(path: $0.path, threads: ThreadPool()) }
    }

    /// The tokenizers lie with the tests of the layer below.
    static func fixtureURL(_ name: String) -> URL {
        URL(filePath: #filePath).appending(path: "../../../KvasirTokenizersTests/Fixtures/\(name)").standardized
    }

    static func fixture(_ name: String) throws -> Data { try Data(contentsOf: fixtureURL(name)) }

    /// The same arbitrary values for a tensor however the tensors are divided.
    private static func safetensors(_ tensors: [Tensor]) -> Data {
        var members: [String] = []
        var data = Data()
        for tensor in tensors {
            let count = tensor.shape.reduce(1, *)
            let begin = data.count
            for index in 0..<count {
                let value = tensor.shape.count == 1 ? 1 : Float((index &* 2_654_435_761) >> 8 & 0xFF) / 1024 - 0.125
                withUnsafeBytes(of: value) { data.append(contentsOf: $0) }
            }
            members.append(
                "\"\(tensor.name)\":{\"dtype\":\"F32\",\"shape\":\(tensor.shape),\"data_offsets\":[\(begin),\(data.count)]}"
            )
        }
        let header = Data("{\(members.joined(separator: ","))}".utf8)
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + data
    }
}
