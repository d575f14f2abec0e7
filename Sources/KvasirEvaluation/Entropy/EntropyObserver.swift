internal import KvasirCodecs
internal import KvasirModels
internal import KvasirNumerics

/// Gathers keys and values of some layers and measures their entropies.
final class EntropyObserver {
    private let layers: [Int]
    private let shape: HeadShape
    private let rotary: [RotaryEmbedding]
    private let bins: Int
    private let threads: ThreadPool
    /// Tokens x width by place in `layers`.
    private var samples: [EntropyForm: [[Float]]] = [:]

    /// All that was asked for has been handed out.
    private struct Enough: Error {}

    init(layers: [Int], shape: HeadShape, rotary: [RotaryEmbedding], bins: Int, threads: ThreadPool) {
        self.layers = layers
        self.shape = shape
        self.rotary = rotary
        self.bins = bins
        self.threads = threads
        for form in [EntropyForm.keys, .values] { samples[form] = layers.map { _ in [] } }
        if !rotary.isEmpty { samples[.turnedKeys] = layers.map { _ in [] } }
    }

    /// Runs a window of the text, up to the last of the layers.
    ///
    /// - Throws: `EvaluationError` if a key or value is not finite; what the pass throws.
    func add(_ tokens: [Int32], _ pass: GradientPass) throws {
        do {
            try pass.record(tokens) { record in
                if let place = layers.firstIndex(of: record.layer) { try add(record, at: place) }
                if record.layer == layers.last { throw Enough() }
            }
        } catch is Enough {}
    }

    private func add(_ record: LayerRecord, at place: Int) throws(EvaluationError) {
        let skipped = EntropyEvaluation.skipped
        for (form, matrix) in [(EntropyForm.keys, record.keys), (.values, record.values)] {
            var values = Self.values(matrix.rows(skipped..<matrix.rows))
            guard values.allSatisfy(\.isFinite) else {
                throw EvaluationError(
                    received: "\(form) of layer \(record.layer) that are not finite",
                    remedy: "the model overflows on this text; use another text or another file of the model")
            }
            samples[form]?[place] += values
            guard form == .keys, !rotary.isEmpty else { continue }
            values.withUnsafeMutableBufferPointer { values in
                guard let pointer = values.baseAddress else { return }
                rotary[record.layer].turn(
                    FloatMatrix(pointer, rows: matrix.rows - skipped, columns: matrix.columns),
                    headSize: shape.headSize, from: skipped)
            }
            samples[.turnedKeys]?[place] += values
        }
    }

    private static func values(_ matrix: FloatMatrix) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(matrix.rows * matrix.columns)
        for row in 0..<matrix.rows {
            values.append(contentsOf: UnsafeBufferPointer(start: matrix.row(row), count: matrix.columns))
        }
        return values
    }

    /// The entropies of what was gathered, by layer and form.
    func rows() -> [EntropyRow] {
        layers.indices.flatMap { place in
            EntropyForm.allCases.compactMap { form in
                samples[form].map {
                    EntropyRow(
                        layer: layers[place], form: form,
                        sums: Self.sums(of: $0[place], shape: shape, bins: bins, threads: threads))
                }
            }
        }
    }

    /// Adds up the entropies of all groups of four neighbouring channels of a head.
    ///
    /// Heads of another multiple leave the last channels out. The result does not depend on the threads.
    static func sums(of values: [Float], shape: HeadShape, bins: Int, threads: ThreadPool) -> EntropySums {
        let perHead = shape.headSize / EntropyEvaluation.channels
        var groups = [EntropySums](repeating: EntropySums(), count: shape.kvHeads * perHead)
        let count = groups.count
        groups.withUnsafeMutableBufferPointer { groups in
            let groups = groups
            threads.run(count) { group, _ in
                let first = group / perHead * shape.headSize + group % perHead * EntropyEvaluation.channels
                groups[group] = EntropySums(
                    JointHistogram(values, width: shape.width, first: first, bins: bins))
            }
        }
        return groups.reduce(into: EntropySums()) { $0 += $1 }
    }
}
