public import Foundation

/// What a result is about.
///
/// An open set: a program that reads results meets kinds it does not know.
public struct ResultKind: RawRepresentable, Codable, Sendable, Hashable, CustomStringConvertible {
    /// The name in the file.
    public let rawValue: String

    /// Creates a kind.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// The name in the file.
    public var description: String { rawValue }

    /// Perplexity of a text: `PerplexityReport`.
    public static let perplexity = ResultKind(rawValue: "perplexity")
    /// Divergence of caches from a reference: `DivergenceReport`.
    public static let divergence = ResultKind(rawValue: "divergence")
    /// Accuracy on zero-shot tasks.
    public static let tasks = ResultKind(rawValue: "tasks")
    /// Retrieval from long texts.
    public static let needle = ResultKind(rawValue: "needle")
    /// How normal keys and values are distributed.
    public static let normality = ResultKind(rawValue: "normality")
    /// Long greedy generations beside a reference.
    public static let generation = ResultKind(rawValue: "generation")
    /// Tokens per second: `ThroughputReport`.
    public static let throughput = ResultKind(rawValue: "throughput")
    /// Bytes by length and batch.
    public static let memory = ResultKind(rawValue: "memory")
    /// Attention scores and outputs entry by entry: `PrecisionReport`.
    public static let precision = ResultKind(rawValue: "precision")
    /// Entropy of neighbouring channels, together and apart: `EntropyReport`.
    public static let entropy = ResultKind(rawValue: "entropy")
}

/// The one envelope of everything that `kvasir evaluate` and `kvasir bench` measure.
///
/// Who measured what, when, where and how; `settings` and `results` are of a form that depends on the kind. Written as one
/// line of JSON, whose format and version are checked before anything else is read.
public struct ResultDocument: Codable, Sendable, Hashable {
    /// What `format` says in every such file.
    public static let formatName = "kvasir-result"
    /// The version this program writes and reads.
    public static let currentVersion = 1

    /// What kind of file it is.
    public let format: String
    /// Which version of it.
    public let version: Int
    /// What was measured.
    public let kind: ResultKind
    /// The version of Kvasir that measured.
    public let kvasirVersion: String
    /// When the result was made, to the second.
    public let created: Date
    /// The command line, the program's name first.
    public let command: [String]
    /// What computed.
    public let machine: MachineDescription
    /// Of which model; nil where none was needed.
    public let model: ModelDescription?
    /// Everything that changes the result beside model and machine.
    public let settings: JSONValue
    /// What was measured.
    public let results: JSONValue

    /// Creates a document.
    ///
    /// - Throws: `EvaluationError` if settings or results hold a number that is not finite.
    public init(
        kind: ResultKind, kvasirVersion: String, created: Date, command: [String], machine: MachineDescription,
        model: ModelDescription?, settings: some Encodable, results: some Encodable
    ) throws(EvaluationError) {
        format = Self.formatName
        version = Self.currentVersion
        self.kind = kind
        self.kvasirVersion = kvasirVersion
        // As it will be read back.
        self.created = Date(timeIntervalSince1970: created.timeIntervalSince1970.rounded(.down))
        self.command = command
        self.machine = machine
        self.model = model
        self.settings = try Self.value(of: settings)
        self.results = try Self.value(of: results)
    }

    private static func value(of part: some Encodable) throws(EvaluationError) -> JSONValue {
        try ResultCoding.decode(from: try ResultCoding.encode(part), name: "a result")
    }

    /// Reads a document.
    ///
    /// - Parameters:
    ///   - bytes: the file.
    ///   - name: what it is called in an error.
    /// - Throws: `EvaluationError` naming the file, what was found and what is expected, if it is none or of another version.
    public init(decoding bytes: [UInt8], name: String) throws(EvaluationError) {
        let header: Header
        do throws(EvaluationError) {
            header = try ResultCoding.decode(from: bytes, name: name)
        } catch {
            throw EvaluationError(
                received: name, remedy: "it is no result file (\(error.remedy)); give what --output or --json wrote")
        }
        guard let format = header.format else {
            throw EvaluationError(
                received: "\(name), JSON without a format", remedy: "a result file has format '\(Self.formatName)'")
        }
        guard format == Self.formatName else {
            throw EvaluationError(
                received: "\(name) of format '\(format)'", remedy: "a result file has format '\(Self.formatName)'")
        }
        guard header.version == Self.currentVersion else {
            throw EvaluationError(
                received: "\(name) of version \(header.version.map(String.init) ?? "none")",
                remedy: "this program reads version \(Self.currentVersion) of '\(format)'; measure again, or read it "
                    + "with the Kvasir that wrote it\(header.kvasirVersion.map { " (\($0))" } ?? "")")
        }
        self = try ResultCoding.decode(from: bytes, name: name)
    }

    /// What tells a reader whether to go on.
    private struct Header: Decodable {
        let format: String?
        let version: Int?
        let kvasirVersion: String?
    }

    /// The settings in the form of their kind.
    ///
    /// - Throws: `EvaluationError` that says where they have another.
    public func settings<Value: Decodable>(as type: Value.Type = Value.self) throws(EvaluationError) -> Value {
        try ResultCoding.decode(from: try ResultCoding.encode(settings), name: "settings of kind '\(kind)'")
    }

    /// The results in the form of their kind.
    ///
    /// - Throws: `EvaluationError` that says where they have another.
    public func results<Value: Decodable>(as type: Value.Type = Value.self) throws(EvaluationError) -> Value {
        try ResultCoding.decode(from: try ResultCoding.encode(results), name: "results of kind '\(kind)'")
    }

    /// The document on one line, with its end.
    public func encoded() throws(EvaluationError) -> [UInt8] {
        try ResultCoding.encode(self) + [UInt8(ascii: "\n")]
    }

    /// Writes the document; the file is there as a whole or as it was before.
    ///
    /// - Throws: `EvaluationError` if it cannot be written.
    public func write(to path: String) throws(EvaluationError) {
        try EvaluationFile.write(try encoded(), to: path)
    }
}
