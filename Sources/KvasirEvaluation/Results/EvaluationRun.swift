/// How far a run is.
public struct EvaluationProgress: Sendable, Hashable {
    /// Units that are done, resumed ones included.
    public let finished: Int
    /// Units of the whole run.
    public let total: Int
    /// Units that were taken from the journal, which took no time.
    public let resumed: Int
    /// The result so far, in few words; empty if there is nothing to say.
    public let detail: String
}

/// A run that was stopped between two units of work.
public struct EvaluationCancelled: Error, Equatable, CustomStringConvertible {
    /// Units that are done.
    public let finished: Int
    /// Units of the whole run.
    public let total: Int

    /// One line.
    public var description: String { "interrupted after \(finished) of \(total)" }
}

/// Carries an evaluation from unit to unit of its work: takes what is done from the journal, computes and keeps the rest,
/// tells how far it is, and stops where it is asked to.
///
/// An evaluation splits its work into units that depend on nothing but the fingerprint of the run, computes its result from
/// their values in a fixed order, and has every unit made by `unit`. Resumed and uninterrupted runs then give the same.
public final class EvaluationRun {
    private let journal: RunJournal?
    private let isCancelled: () -> Bool
    private let onProgress: (EvaluationProgress) -> Void
    /// The result so far, in few words; told with the next unit.
    public var detail = ""
    private var total = 0
    private var finished = 0
    private var resumed = 0

    /// Creates a run.
    ///
    /// - Parameters:
    ///   - journal: where units are kept; none are if nil.
    ///   - isCancelled: asked before every unit that is to be computed.
    ///   - onProgress: called after every unit.
    public init(
        journal: RunJournal? = nil, isCancelled: @escaping () -> Bool = { false },
        onProgress: @escaping (EvaluationProgress) -> Void = { _ in }
    ) {
        self.journal = journal
        self.isCancelled = isCancelled
        self.onProgress = onProgress
    }

    /// Says of how many units the run consists; before the first.
    public func begin(units: Int) { total = units }

    /// Returns the value of a unit, computed only if the journal does not have it.
    ///
    /// - Parameters:
    ///   - key: the unit's name in this run.
    ///   - compute: makes the value; may call `checkCancellation`.
    /// - Throws: `EvaluationCancelled`; `EvaluationError` if the journal fails; whatever `compute` throws.
    public func unit<Value: Codable>(_ key: String, compute: () throws -> Value) throws -> Value {
        let value: Value
        if let kept: Value = try journal?.value(of: key) {
            value = kept
            resumed += 1
        } else {
            try checkCancellation()
            value = try compute()
            try journal?.add(key, value)
        }
        finished += 1
        onProgress(.init(finished: finished, total: max(total, finished), resumed: resumed, detail: detail))
        return value
    }

    /// Stops the run if it was asked to.
    ///
    /// - Throws: `EvaluationCancelled`.
    public func checkCancellation() throws(EvaluationCancelled) {
        if isCancelled() { throw EvaluationCancelled(finished: finished, total: max(total, finished)) }
    }
}
