internal import CKvasir
internal import Foundation
internal import KvasirNumerics

extension OutputHead {
    /// Outputs whose logits are held at a time.
    private static let panel = 2048

    /// The mean cross-entropy of the next token, in nats, and its gradient with respect to the last layer's output.
    ///
    /// Takes `workspace.hidden`. The logits of all rows are computed twice, a panel of the vocabulary at a time, first for
    /// the sums of their exponentials and then for the gradients: they would outgrow the model otherwise.
    ///
    /// - Parameters:
    ///   - tokens: the sequence; the last one has no next token.
    ///   - stream: written: tokens x hidden size.
    func backward(
        _ tokens: [Int32], into stream: FloatMatrix, _ operations: GradientOperations, _ workspace: DecoderWorkspace
    ) -> Double {
        let forward = operations.forward
        let (normed, delta) = (workspace.normed.matrix, workspace.delta.matrix)
        if let norm {
            forward.normalize(workspace.hidden.matrix, norm, into: normed)
        } else {
            forward.copy(workspace.hidden.matrix, into: normed)
        }
        var features = normed
        if let projection {
            features = delta.columns(0..<projection.rows)
            forward.multiply(normed, projection, into: features)
        }
        let sums = SoftmaxSums(targets: tokens.dropFirst().map(Int.init), forward)
        let logits = Activations(columns: Self.panel)
        logits.resize(rows: tokens.count)
        forEachPanel { panel in
            let part = logits.matrix.columns(0..<panel.count)
            forward.multiply(features, matrix, rows: panel, into: part)
            sums.add(part, first: panel.lowerBound)
        }
        // The gradient of the features, summed over panels.
        let gradient = Activations(columns: features.columns)
        let product = Activations(columns: features.columns)
        gradient.resize(rows: tokens.count)
        product.resize(rows: tokens.count)
        for row in 0..<tokens.count { gradient.matrix.row(row).update(repeating: 0, count: features.columns) }
        forEachPanel { panel in
            let part = logits.matrix.columns(0..<panel.count)
            forward.multiply(features, matrix, rows: panel, into: part)
            sums.differentiate(part, first: panel.lowerBound)
            operations.multiplyTransposed(part, matrix, rows: panel, into: product.matrix)
            forward.add(product.matrix, to: gradient.matrix)
        }
        var last = gradient.matrix
        if let projection {
            operations.multiplyTransposed(last, projection, into: stream)
            last = stream
        }
        if let norm {
            operations.normalizeBackward(workspace.hidden.matrix, norm, last, into: stream)
        } else if projection == nil {
            forward.copy(last, into: stream)
        }
        return sums.loss
    }

    private func forEachPanel(_ body: (Range<Int>) -> Void) {
        for first in stride(from: 0, to: matrix.rows, by: Self.panel) {
            body(first..<min(first + Self.panel, matrix.rows))
        }
    }
}

/// Maximum, sum of exponentials and target logit of every row, gathered over panels of the vocabulary.
private final class SoftmaxSums {
    private let operations: Operations
    private let targets: [Int]
    private let rows: AlignedBuffer<Row>

    struct Row: BitwiseCopyable {
        var maximum: Float
        var total: Double
        var targetLogit: Float
    }

    init(targets: [Int], _ operations: Operations) {
        self.operations = operations
        self.targets = targets
        rows = AlignedBuffer(zeroed: targets.count)
        for index in targets.indices { rows.pointer[index] = Row(maximum: -.infinity, total: 0, targetLogit: 0) }
    }

    /// The mean over the rows of log(sum of exponentials) - target logit.
    var loss: Double {
        let sum = targets.indices.reduce(0) { sum, index in
            let row = rows.pointer[index]
            return sum + Double(row.maximum) + log(row.total) - Double(row.targetLogit)
        }
        return sum / Double(targets.count)
    }

    /// Counts a panel, whose first token is `first`; the logits are gone afterwards.
    func add(_ logits: FloatMatrix, first: Int) { run(logits, first, isGradient: false) }

    /// Turns a panel's logits into the gradients of the loss; the last row, which has no target, gets none.
    func differentiate(_ logits: FloatMatrix, first: Int) {
        run(logits, first, isGradient: true)
        for row in targets.count..<logits.rows { logits.row(row).update(repeating: 0, count: logits.columns) }
    }

    private func run(_ logits: FloatMatrix, _ first: Int, isGradient: Bool) {
        targets.withUnsafeBufferPointer { targets in
            guard let targets = targets.baseAddress else { return }
            let rowCount = self.targets.count
            operations.forEachChunk(
                of: rowCount,
                SoftmaxWork(
                    kernels: operations.elementwise, logits: logits.rows(0..<rowCount), first: first, targets: targets,
                    rows: rows.pointer, isGradient: isGradient))
        }
    }
}

private struct SoftmaxWork: ParallelWork {
    let kernels: UnsafePointer<kv_ops_kernels>
    let logits: FloatMatrix
    let first: Int
    let targets: UnsafePointer<Int>
    let rows: UnsafeMutablePointer<SoftmaxSums.Row>
    let isGradient: Bool

    func perform(item: Int, worker: Int) {
        for row in chunk(item, of: logits.rows) {
            let values = logits.row(row)
            let target = targets[row] - first
            let hasTarget = target >= 0 && target < logits.columns
            if isGradient {
                let scale = 1 / Float(logits.rows)
                _ = kernels.pointee.exp_sum(values, logits.columns, rows[row].maximum)
                kernels.pointee.scale(values, scale / Float(rows[row].total), logits.columns)
                if hasTarget { values[target] -= scale }
            } else {
                if hasTarget { rows[row].targetLogit = values[target] }
                let before = rows[row].maximum
                let maximum = max(before, kernels.pointee.max(values, logits.columns))
                rows[row].total *= exp(Double(before - maximum))
                rows[row].total += Double(kernels.pointee.exp_sum(values, logits.columns, maximum))
                rows[row].maximum = maximum
            }
        }
    }
}
