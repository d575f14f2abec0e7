import Foundation
import KvasirModels
import KvasirWeights
import Testing

/// The committed models of all families; scripts/fixtures/make-tiny-families.py makes them.
enum TinyFamily: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case llama, llama3, mistral, qwen2, qwen3, gemma3, gpt2, opt
    /// Position interpolation.
    case llamaLinear = "llama-linear"
    /// Norms behind what they add to, and an embedding narrower than the hidden state.
    case optPost = "opt-post"

    var testDescription: String { rawValue }

    /// What the reference implementation was given, and how it went on.
    struct Description: Decodable {
        let prompt: [Int32]
        let continuation: [Int32]
        /// The number of last positions of the prompt whose logits are known.
        let positions: Int
    }

    struct Missing: Error { let path: String }

    private func url(_ suffix: String) throws -> URL {
        let path = "Fixtures/families/\(rawValue)\(suffix)"
        guard let base = Bundle.module.resourceURL else { throw Missing(path: path) }
        let url = base.appending(path: path)
        guard FileManager.default.fileExists(atPath: url.path) else { throw Missing(path: path) }
        return url
    }

    /// The formats that the family has files of.
    var formats: [Checkpoint.Format] { [.opt, .optPost].contains(self) ? [.huggingFace] : [.gguf, .huggingFace] }

    func checkpoint(_ format: Checkpoint.Format) throws -> Checkpoint {
        switch format {
        case .gguf: try Checkpoint(GGUFFile(path: url(".gguf").path))
        case .huggingFace:
            try Checkpoint(
                huggingFace: SafetensorsFolder(path: url("").path),
                configuration: ModelConfiguration(path: url("/config.json").path), name: rawValue)
        }
    }

    /// The Hugging Face folder, to be changed by a test.
    func folder() throws -> FolderDraft {
        try FolderDraft(configuration: url("/config.json"), tensors: SafetensorsFolder(path: url("").path))
    }

    func description() throws -> Description {
        try JSONDecoder().decode(Description.self, from: Data(contentsOf: url(".json")))
    }

    /// The gradients of keys and values of every layer, as scripts/fixtures/make-tiny-gradients.py writes them.
    ///
    /// - Parameter parts: how many there are.
    func referenceGradients(parts: Int) throws -> [[Float]] {
        let data = try Data(contentsOf: url(".gradients"))
        let count = data.count / 4 / parts
        return data.withUnsafeBytes { bytes in
            (0..<parts).map { part in
                (0..<count).map { index in
                    let bits = bytes.loadUnaligned(fromByteOffset: (part * count + index) * 4, as: UInt32.self)
                    return Float(bitPattern: UInt32(littleEndian: bits))
                }
            }
        }
    }

    /// The mean cross-entropy of the next token over the prompt.
    func referenceLoss() throws -> Double {
        let path = "Fixtures/families/gradients.json"
        guard let url = Bundle.module.resourceURL?.appending(path: path),
            let loss = try JSONDecoder().decode([String: Double].self, from: Data(contentsOf: url))[rawValue]
        else { throw Missing(path: path) }
        return loss
    }

    /// The logits of the last positions of the prompt.
    func referenceLogits() throws -> [[Float]] {
        let data = try Data(contentsOf: url(".logits"))
        let rows = try description().positions
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
