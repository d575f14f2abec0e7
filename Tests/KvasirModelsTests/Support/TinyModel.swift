import Foundation
import KvasirWeights

/// The committed models; scripts/fixtures/make-tiny-llama.py makes them.
enum TinyModel: String, CaseIterable, Sendable {
    /// One matrix for embedding and output, three query heads to a KV head, half-precision attention.
    case tied
    /// An output matrix of its own, as many KV heads as query heads, bfloat16 in the MLP.
    case separate
    /// Q4_1 and Q8_0.
    case quantized

    /// What the reference implementation was given, and how it went on.
    struct Description: Decodable {
        let prompt: [Int32]
        let continuation: [Int32]
        /// The logits of the prompt's last position with keys and values rounded to binary16.
        let halfPrecisionCache: [Float]
        /// The same with the inputs of linear layers rounded to 8 bits, of the quantized model only.
        let roundedActivations: [Float]?
    }

    private func url(_ fileExtension: String) throws -> URL {
        struct Missing: Error { let name: String }
        let name = "Fixtures/tiny-\(rawValue)"
        guard let url = Bundle.module.url(forResource: name, withExtension: fileExtension) else {
            throw Missing(name: "\(name).\(fileExtension)")
        }
        return url
    }

    func file() throws -> GGUFFile { try GGUFFile(path: url("gguf").path) }

    func description() throws -> Description {
        try JSONDecoder().decode(Description.self, from: Data(contentsOf: url("json")))
    }

    /// The logits of every position of the prompt.
    func referenceLogits() throws -> [[Float]] {
        let data = try Data(contentsOf: url("logits"))
        let rows = try description().prompt.count
        return data.withUnsafeBytes { bytes in
            let width = bytes.count / rows / 4
            return (0..<rows).map { row in
                (0..<width).map { column in
                    let bits = bytes.loadUnaligned(fromByteOffset: (row * width + column) * 4, as: UInt32.self)
                    return Float(bitPattern: UInt32(littleEndian: bits))
                }
            }
        }
    }
}
