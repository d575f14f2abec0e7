import Foundation
import KvasirWeights

/// A GGUF file to be written: a valid Llama model of one layer until a test changes it.
struct GGUFDraft {
    enum Value {
        case string(String)
        case uint32(UInt32)
        case float32(Float)
    }

    /// Name and shape; all tensors are float32.
    var tensors: [(name: String, shape: [Int])]
    var metadata: [String: Value]

    /// Hidden size 32, two query heads of 16 channels on one KV head, 48 channels in the MLP, 10 tokens.
    init() {
        metadata = [
            "general.architecture": .string("llama"), "llama.block_count": .uint32(1),
            "llama.context_length": .uint32(64), "llama.embedding_length": .uint32(32),
            "llama.feed_forward_length": .uint32(48), "llama.attention.head_count": .uint32(2),
            "llama.attention.head_count_kv": .uint32(1), "llama.rope.dimension_count": .uint32(16),
            "llama.rope.freq_base": .float32(10_000), "llama.attention.layer_norm_rms_epsilon": .float32(1e-5),
        ]
        tensors = [
            ("token_embd.weight", [32, 10]), ("output_norm.weight", [32]), ("blk.0.attn_norm.weight", [32]),
            ("blk.0.attn_q.weight", [32, 32]), ("blk.0.attn_k.weight", [32, 16]), ("blk.0.attn_v.weight", [32, 16]),
            ("blk.0.attn_output.weight", [32, 32]), ("blk.0.ffn_norm.weight", [32]),
            ("blk.0.ffn_gate.weight", [32, 48]), ("blk.0.ffn_up.weight", [32, 48]),
            ("blk.0.ffn_down.weight", [48, 32]),
        ]
    }

    mutating func setShape(_ name: String, _ shape: [Int]) {
        for index in tensors.indices where tensors[index].name == name { tensors[index].shape = shape }
    }

    /// The file, read back.
    func file() throws -> GGUFFile {
        try bytes.withUnsafeBytes { try GGUFFile(contents: WeightBuffer(copying: $0), path: "draft.gguf") }
    }

    private var bytes: [UInt8] {
        var bytes = Array("GGUF".utf8)
        append(UInt32(3), to: &bytes)
        append(UInt64(tensors.count), to: &bytes)
        append(UInt64(metadata.count), to: &bytes)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            append(key, to: &bytes)
            switch value {
            case .uint32(let number):
                append(UInt32(4), to: &bytes)
                append(number, to: &bytes)
            case .float32(let number):
                append(UInt32(6), to: &bytes)
                append(number.bitPattern, to: &bytes)
            case .string(let text):
                append(UInt32(8), to: &bytes)
                append(text, to: &bytes)
            }
        }
        var dataBytes = 0
        for tensor in tensors {
            append(tensor.name, to: &bytes)
            append(UInt32(tensor.shape.count), to: &bytes)
            for dimension in tensor.shape { append(UInt64(dimension), to: &bytes) }
            append(UInt32(0), to: &bytes)
            append(UInt64(dataBytes), to: &bytes)
            dataBytes += (tensor.shape.reduce(4, *) + 31) / 32 * 32
        }
        bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32 + dataBytes)
        return bytes
    }

    private func append(_ text: String, to bytes: inout [UInt8]) {
        append(UInt64(text.utf8.count), to: &bytes)
        bytes += Array(text.utf8)
    }

    private func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes += Array($0) }
    }
}
