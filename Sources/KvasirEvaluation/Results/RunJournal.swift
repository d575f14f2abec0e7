internal import Foundation

/// What a run consists of: everything that changes its result, by name.
///
/// Two runs with the same fingerprint give the same units of work.
public struct RunFingerprint: Codable, Sendable, Hashable {
    /// What is measured.
    public let kind: ResultKind
    /// Model, caches, settings, data: each a text.
    public let parts: [String: String]

    /// Creates a fingerprint.
    ///
    /// - Parameters:
    ///   - kind: what is measured.
    ///   - parts: whatever changes the result: hashes for files, texts for settings.
    public init(kind: ResultKind, parts: [String: String]) {
        self.kind = kind
        self.parts = parts
    }

    /// Creates the fingerprint of a measurement of caches.
    ///
    /// - Parameters:
    ///   - kind: what is measured.
    ///   - kvasirVersion: the version that measures.
    ///   - instructionSet: the kernels; their rounding differs.
    ///   - model: the model; its file's hash counts.
    ///   - caches: the caches in order.
    ///   - settings: the settings of the result, with hashes of the data: an object, each member of which is a part.
    /// - Throws: `EvaluationError` if the settings hold a number that is not finite.
    public init(
        kind: ResultKind, kvasirVersion: String, instructionSet: String, model: ModelDescription?, caches: [String],
        settings: some Encodable
    ) throws(EvaluationError) {
        var parts = [
            "kvasir version": kvasirVersion, "instruction set": instructionSet, "caches": caches.joined(separator: ","),
        ]
        if let model { parts["model"] = "\(model.label) \(model.sha256)" }
        for (file, hash) in model?.calibrations ?? [:] { parts["calibration \(file)"] = hash }
        let members: [String: JSONValue] = try ResultCoding.decode(
            from: try ResultCoding.encode(settings), name: "settings")
        for (name, value) in members {
            if case .string(let text) = value {
                parts[name] = text
            } else {
                parts[name] = String(decoding: try ResultCoding.encode(value), as: UTF8.self)
            }
        }
        self.init(kind: kind, parts: parts)
    }
}

/// A file to which a run adds every unit of work that is done, so that it can be interrupted and go on later.
///
/// JSON lines: first format, version and fingerprint, then a key and a value each. A last line that was cut off by a crash
/// is dropped. Values come back bit for bit: JSON holds every double exactly.
public final class RunJournal {
    /// What `format` says in every such file.
    public static let formatName = "kvasir-run"
    /// The version this program writes and reads.
    public static let currentVersion = 1

    /// Where the file is.
    public let path: String
    /// Units that were there when the file was opened.
    public let resumedCount: Int

    private let file: FileHandle
    /// The line of every unit.
    private var lines: [String: ArraySlice<UInt8>]

    private struct Header: Codable {
        let format: String?
        let version: Int?
        let fingerprint: RunFingerprint?
    }

    private struct Key: Decodable {
        let key: String
    }

    private struct Unit<Value: Decodable>: Decodable {
        let value: Value
    }

    private struct NewUnit<Value: Encodable>: Encodable {
        let key: String
        let value: Value
    }

    /// Opens the journal of a run, and creates it if it is not there.
    ///
    /// - Throws: `EvaluationError` if the file is no journal, one of another version or of another run, in use by another
    ///   process, malformed, or cannot be written.
    public init(path: String, fingerprint: RunFingerprint) throws(EvaluationError) {
        self.path = path
        // Sorted keys: the same run always begins with the same bytes.
        let header = try Self.line(
            Header(format: Self.formatName, version: Self.currentVersion, fingerprint: fingerprint))
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Self.failure("open", path, errno) }
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw EvaluationError(
                received: "\(path) is in use by another process", remedy: "wait for it, or give another file")
        }
        let bytes: [UInt8]
        do {
            bytes = Array(try file.readToEnd() ?? Data())
        } catch {
            throw EvaluationError(received: "cannot read \(path)", remedy: error.localizedDescription)
        }
        let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if whole == 0 {
            // Nothing, or a header of this very run that was cut off; anything else is not ours to overwrite.
            guard header.starts(with: bytes) else { throw Self.noJournal(path) }
            lines = [:]
        } else {
            lines = try Self.units(bytes[..<whole], fingerprint: fingerprint, path: path)
        }
        resumedCount = lines.count
        if whole < bytes.count, ftruncate(descriptor, off_t(whole)) != 0 { throw Self.failure("cut", path, errno) }
        if whole == 0 { try append(header) }
    }

    deinit {
        // Closing alone does not let go of the lock while a process that is being started still holds the descriptor.
        flock(file.fileDescriptor, LOCK_UN)
    }

    /// Checks the header and finds the units.
    private static func units(
        _ bytes: ArraySlice<UInt8>, fingerprint: RunFingerprint, path: String
    ) throws(EvaluationError) -> [String: ArraySlice<UInt8>] {
        let all = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        guard let first = all.first,
            let header = try? ResultCoding.decode(Header.self, from: Array(first), name: path),
            header.format == formatName
        else { throw noJournal(path) }
        guard header.version == currentVersion else {
            throw EvaluationError(
                received: "\(path) of version \(header.version.map(String.init) ?? "none")",
                remedy:
                    "this program continues version \(currentVersion) of '\(formatName)'; start again with another file"
            )
        }
        try check(header.fingerprint, against: fingerprint, path: path)
        var lines: [String: ArraySlice<UInt8>] = [:]
        for (index, line) in all.enumerated().dropFirst() {
            guard let key = try? ResultCoding.decode(Key.self, from: Array(line), name: path).key else {
                throw EvaluationError(
                    received: "line \(index + 1) of \(path) is malformed",
                    remedy: "remove it and what follows, or start again with another file")
            }
            lines[key] = line
        }
        return lines
    }

    /// Names the first part in which two runs differ.
    private static func check(
        _ found: RunFingerprint?, against wanted: RunFingerprint, path: String
    ) throws(EvaluationError) {
        guard let found else { throw noJournal(path) }
        guard found != wanted else { return }
        var difference = ("kind", found.kind.rawValue, wanted.kind.rawValue)
        if found.kind == wanted.kind {
            let names = Set(found.parts.keys).union(wanted.parts.keys).sorted()
            for name in names where found.parts[name] != wanted.parts[name] {
                difference = (name, found.parts[name] ?? "none", wanted.parts[name] ?? "none")
                break
            }
        }
        throw EvaluationError(
            received:
                "\(path) holds another run: its \(difference.0) is '\(difference.1)', here it is '\(difference.2)'",
            remedy: "give the options of that run, or another file")
    }

    /// The value of a unit that is done; nil if it is not.
    ///
    /// - Throws: `EvaluationError` if it has another form.
    public func value<Value: Decodable>(
        of key: String, as type: Value.Type = Value.self
    ) throws(EvaluationError) -> Value? {
        guard let line = lines[key] else { return nil }
        return try ResultCoding.decode(Unit<Value>.self, from: Array(line), name: "unit '\(key)' of \(path)").value
    }

    /// Adds a unit; it is in the file when this returns.
    ///
    /// - Throws: `EvaluationError` if the file does not take it, or a number in it is not finite.
    public func add(_ key: String, _ value: some Encodable) throws(EvaluationError) {
        let line = try Self.line(NewUnit(key: key, value: value))
        try append(line)
        lines[key] = line.dropLast()[...]
    }

    private func append(_ line: [UInt8]) throws(EvaluationError) {
        do {
            try file.write(contentsOf: line)
        } catch {
            throw EvaluationError(received: "cannot write \(path)", remedy: error.localizedDescription)
        }
    }

    private static func line(_ value: some Encodable) throws(EvaluationError) -> [UInt8] {
        try ResultCoding.encode(value) + [UInt8(ascii: "\n")]
    }

    private static func noJournal(_ path: String) -> EvaluationError {
        EvaluationError(
            received: "\(path) is no journal of a run",
            remedy: "a journal begins with format '\(formatName)'; give a file that --resume made, or a new one")
    }

    private static func failure(_ action: String, _ path: String, _ code: Int32) -> EvaluationError {
        EvaluationError(received: "cannot \(action) \(path)", remedy: String(cString: strerror(code)))
    }
}
