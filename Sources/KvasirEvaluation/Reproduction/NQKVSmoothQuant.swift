public import KvasirEngine

/// Accuracy with 8-bit weights and activations, beside that of the file's weights: table 3.
public struct NQKVSmoothQuant: Sendable, Hashable, Codable {
    /// How the weights were held.
    public let weights: WeightScheme
    /// The caches with the file's weights; empty if they were not evaluated on the same tasks.
    public let float: [NQKVAccuracy]
    /// The caches with 8-bit weights and activations.
    public let rounded: [NQKVAccuracy]

    /// Reads the table from results of the tasks.
    ///
    /// - Parameters:
    ///   - rounded: with 8-bit weights, and its file's name.
    ///   - float: with the file's weights, and its file's name; nil for none.
    ///   - model: what is reproduced.
    /// - Throws: as `NQKVAccuracy.read`.
    public init(
        rounded: (document: ResultDocument, name: String), float: (document: ResultDocument, name: String)?,
        model: ModelDescription
    ) throws(EvaluationError) {
        let tasks = PublishedNQKV.smoothQuantTasks
        self.rounded = try NQKVAccuracy.read(
            rounded.document, name: rounded.name, model: model, tasks: tasks, isRounded: true)
        weights = rounded.document.model?.weights ?? .w8a8
        var plain: [NQKVAccuracy] = []
        if let float { plain = try NQKVAccuracy.read(float.document, name: float.name, model: model, tasks: tasks) }
        let own = self.rounded.first.map { Set($0.tasks.keys) }
        // Averages over other tasks would say nothing.
        self.float = plain.filter { Set($0.tasks.keys) == own }
    }
}

extension NQKVFinding {
    /// Table 3.
    static func smoothQuant(_ accuracies: NQKVSmoothQuant?, cache: String) -> NQKVFinding {
        let experiment = "Table 3: accuracy on top of 8-bit weights and activations"
        let changes = PublishedNQKV.smoothQuant.map { $0.both - $0.smoothQuant }
        let published = "average change \(range(changes)) points against SmoothQuant alone"
        guard let accuracies, let ours = accuracies.rounded.first(where: { $0.cache == cache }),
            let change = ours.difference
        else {
            return missing(
                experiment, published,
                "give the result of 'kvasir evaluate tasks --weights w8a8 --cache f16,\(cache)' with --smoothquant-tasks "
                    + "FILE")
        }
        let error = ours.differenceError ?? 0
        let worst = (changes.min() ?? 0) / 100
        let isWithin = change >= worst
        let isWithinError = change + 2 * error >= worst
        return NQKVFinding(
            experiment: experiment, published: published,
            ours:
                "average change \(number(change * 100)) ± \(number(error * 100)) points over \(ours.tasks.count) of the "
                + "7 tasks, weights \(accuracies.weights.rawValue)",
            verdict: isWithin ? .agrees : isWithinError ? .agreesInPart : .differs,
            sentence: isWithin
                ? "On 8-bit weights and activations the cache costs no more than in the paper's worst model."
                : isWithinError
                    ? "On 8-bit weights and activations the cache costs more than in the paper's worst model, but by less than "
                        + "twice the standard error more."
                    : "On 8-bit weights and activations the cache costs more than in the paper's worst model.")
    }
}
