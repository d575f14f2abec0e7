import Foundation
import KvasirTokenizers

/// The vocabulary of the default model's file, where this machine has it.
enum RealVocabulary {
    /// `KVASIR_TEST_MODEL`, or the file the program keeps in its cache.
    static let path: String? = {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
        let candidates = [
            environment["KVASIR_TEST_MODEL"], cache + "/kvasir/models/SmolLM2-135M-Instruct.Q4_1.gguf",
        ]
        return candidates.compactMap(\.self).first { FileManager.default.fileExists(atPath: $0) }
    }()

    static func load(_ path: String) throws -> (vocabulary: TokenizerVocabulary, chatTemplate: String) {
        var scan = GGUFMetadataScan(try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped))
        let values = try scan.metadata(withPrefix: "tokenizer.")
        func value<T>(_ key: String, _ type: T.Type) throws -> T {
            guard let value = values[key] as? T else { throw GGUFMetadataScan.Malformed(what: key) }
            return value
        }
        let types = try value("tokenizer.ggml.token_type", [Int].self)
        let vocabulary = TokenizerVocabulary(
            tokens: try value("tokenizer.ggml.tokens", [String].self),
            types: types.compactMap { TokenizerVocabulary.TokenType(rawValue: Int32($0)) },
            merges: try value("tokenizer.ggml.merges", [String].self),
            preTokenizer: try value("tokenizer.ggml.pre", String.self),
            bosID: Int32(try value("tokenizer.ggml.bos_token_id", Int.self)),
            eosID: Int32(try value("tokenizer.ggml.eos_token_id", Int.self)),
            addsBOS: try value("tokenizer.ggml.add_bos_token", Int.self) != 0)
        return (vocabulary, try value("tokenizer.chat_template", String.self))
    }
}

/// As much of GGUF as it takes to read a vocabulary; the engine's reader is another target's.
struct GGUFMetadataScan {
    struct Malformed: Error { let what: String }

    private let data: Data
    private var offset = 0

    init(_ data: Data) { self.data = data }

    mutating func metadata(withPrefix prefix: String) throws -> [String: Any] {
        guard try integer(4) == 0x4655_4747, try integer(4) >= 2 else { throw Malformed(what: "header") }
        _ = try integer(8)
        var values: [String: Any] = [:]
        for _ in 0..<(try integer(8)) {
            let key = try string()
            let value = try value(type: try integer(4))
            if key.hasPrefix(prefix) { values[key] = value }
        }
        return values
    }

    private mutating func value(type: Int) throws -> Any {
        switch type {
        case 0, 1, 7: return try integer(1)
        case 2, 3: return try integer(2)
        case 4, 5, 6: return try integer(4)
        case 10, 11, 12: return try integer(8)
        case 8: return try string()
        case 9:
            let (element, count) = (try integer(4), try integer(8))
            if element == 8 { return try (0..<count).map { _ in try string() } }
            return try (0..<count).map { _ in try value(type: element) as? Int ?? 0 }
        default: throw Malformed(what: "type \(type)")
        }
    }

    private mutating func string() throws -> String {
        let count = try integer(8)
        guard count >= 0, count <= data.count - offset else { throw Malformed(what: "string length") }
        defer { offset += count }
        return String(decoding: data[offset..<offset + count], as: UTF8.self)
    }

    private mutating func integer(_ width: Int) throws -> Int {
        guard width <= data.count - offset else { throw Malformed(what: "end of file") }
        defer { offset += width }
        return data[offset..<offset + width].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
