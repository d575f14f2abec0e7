/// A result file that a report is made of.
public struct ReportSource: Sendable {
    /// What the file is called.
    public let name: String
    /// What it holds.
    public let document: ResultDocument

    /// Names a result.
    public init(name: String, document: ResultDocument) {
        self.name = name
        self.document = document
    }

    /// Reads a result file.
    ///
    /// - Throws: `EvaluationError` if it cannot be read, or is none of this version.
    public init(path: String) throws(EvaluationError) {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        self.init(name: name, document: try ResultDocument(decoding: EvaluationFile.read(path), name: path))
    }
}

/// Results that belong together: of one kind and model, measured under the same settings.
///
/// Files that measure other caches in the same way add up to one picture; a cache that two files have is taken from the
/// newer one.
struct SourceGroup {
    let kind: ResultKind
    /// With the calibrations of all sources.
    var model: ModelDescription?
    let settings: JSONValue
    /// Oldest first.
    var sources: [ReportSource]

    /// Sorts sources into groups, in the order in which their first members come.
    static func groups(of sources: [ReportSource]) -> [SourceGroup] {
        var groups: [SourceGroup] = []
        for source in sources.sorted(by: { $0.document.created < $1.document.created }) {
            let document = source.document
            let index = groups.firstIndex { group in
                group.kind == document.kind && group.settings == document.settings
                    && isSame(group.model, document.model)
                    && (document.kind != .throughput || group.sources[0].document.machine == document.machine)
            }
            if let index {
                groups[index].sources.append(source)
                groups[index].model = joined(groups[index].model, document.model)
            } else {
                groups.append(
                    SourceGroup(
                        kind: document.kind, model: document.model, settings: document.settings, sources: [source]))
            }
        }
        return groups
    }

    /// Whether results are of one model, or all of none.
    static func isSame(_ model: ModelDescription?, _ other: ModelDescription?) -> Bool {
        (model == nil && other == nil) || joined(model, other) != nil
    }

    /// The model of two results; nil if there is none, or not one.
    static func joined(_ model: ModelDescription?, _ other: ModelDescription?) -> ModelDescription? {
        guard let model, let other else { return nil }
        return model.joined(with: other)
    }

    /// The results of all sources, oldest first.
    func results<Value: Decodable>(as type: Value.Type = Value.self) throws(EvaluationError) -> [Value] {
        var values: [Value] = []
        for source in sources { values.append(try source.document.results(as: type)) }
        return values
    }

    /// The settings in the form of their kind.
    func settings<Value: Decodable>(as type: Value.Type = Value.self) throws(EvaluationError) -> Value {
        try sources[0].document.settings(as: type)
    }

    /// What of these rows counts: of those with the same name the last, in the place of the first.
    ///
    /// - Returns: the rows, and the names that came more than once.
    static func latest<Row>(_ rows: [Row], name: (Row) -> String) -> (rows: [Row], replaced: [String]) {
        var kept: [Row] = []
        var replaced: [String] = []
        for row in rows {
            if let index = kept.firstIndex(where: { name($0) == name(row) }) {
                kept[index] = row
                if !replaced.contains(name(row)) { replaced.append(name(row)) }
            } else {
                kept.append(row)
            }
        }
        return (kept, replaced)
    }

    /// A sentence about rows that came more than once.
    static func note(replaced: [String]) -> [String] {
        replaced.isEmpty
            ? []
            : [
                "Measured more than once under the same settings, the newest counts: \(replaced.joined(separator: ", "))."
            ]
    }
}
