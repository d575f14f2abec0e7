internal import CKvasir
internal import KvasirCodecs
internal import KvasirNumerics
internal import Synchronization

/// The attention that tokens of one layer got in the last rows before the next decision: of each token, and of each of the
/// units that have bits of their own, the largest weight, as fp16.
///
/// Rows come from several threads, in any order: a maximum does not depend on it.
final class LayerFeedback: @unchecked Sendable {  // rows are noted under the lock
    private let units: Int
    private var maxima = AlignedBuffer<UInt16>(zeroed: 0)
    /// Tokens there is room for: how far the units lie apart.
    private(set) var stride = 0
    /// Whether a row was noted since the last decision.
    private var isEmpty = true
    private let lock = Mutex<Void>(())

    init(units: Int) { self.units = units }

    /// What it takes.
    var bytes: Int { maxima.byteCount }

    /// Makes room for the rows before a decision about `tokens` tokens; called by one thread, before the first of them.
    func prepare(tokens: Int) {
        guard tokens > stride else { return }
        precondition(isEmpty, "rows of one decision see one context")
        maxima.reserve(units * tokens)
        stride = maxima.count / units
    }

    /// Notes one row of one query head: `factor` times `weights`, of the tokens from the first on.
    func note(unit: Int, weights: UnsafePointer<Float>, count: Int, factor: Float) {
        lock.withLock { _ in
            isEmpty = false
            kv_qaq_note_weights(maxima.pointer + unit * stride, weights, count, factor)
        }
    }

    /// The largest weights of the tokens of a page, units `stride` apart.
    func weights(page: Int) -> UnsafePointer<UInt16> {
        UnsafePointer(maxima.pointer + page * PageGeometry.tokens)
    }

    /// Forgets all rows.
    func reset() {
        guard !isEmpty else { return }
        maxima.elements.update(repeating: 0)
        isEmpty = true
    }
}
