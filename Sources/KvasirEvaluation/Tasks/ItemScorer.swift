internal import KvasirCache
internal import KvasirEngine
internal import KvasirModels
internal import KvasirNumerics

/// Computes the log-likelihoods of planned items, many at a time.
///
/// The items of a batch go through the model side by side: first what the requests of each have in common, then every
/// item's first branch, its second, and so on, each after cutting the sequence back to the common part. A token's result does
/// not depend on what runs beside it nor on how a text was cut, so the figures are those of computing every request alone.
final class ItemScorer {
    private let engine: InferenceEngine
    private let exact: ExactPrefill?
    private var logits: [Float]

    /// Rows of a step.
    private static let rowsOfStep = 256
    /// Rows whose logits are held at a time.
    private static let rowsOfLogits = 32

    /// - Parameters:
    ///   - engine: the model with the cache to measure.
    ///   - exact: the model with an f32 cache, where the attention of contexts is not to read the cache; each is then run on
    ///     its own.
    init(engine: InferenceEngine, exact: InferenceEngine? = nil) {
        self.engine = engine
        self.exact = exact.map { ExactPrefill(into: engine, exact: $0) }
        logits = [Float](repeating: 0, count: Self.rowsOfLogits * engine.vocabularySize)
    }

    /// Scores items side by side.
    ///
    /// - Throws: `EvaluationError` if the model gives no probabilities; whatever the engine throws.
    func score(_ plans: [ItemPlan]) throws -> [ItemScore] {
        let sequences = plans.map { _ in engine.makeSequence() }
        var likelihoods = plans.map { [Double](repeating: 0, count: $0.item.requests.count) }
        if exact == nil {
            let jobs = plans.indices.filter { plans[$0].prefix > 0 }.map { index in
                Job(item: index, sequence: sequences[index], input: plans[index].prefixTokens)
            }
            try run(jobs, into: &likelihoods)
        }
        for number in 0..<(plans.map(\.branches.count).max() ?? 0) {
            let jobs = try plans.indices.filter { number < plans[$0].branches.count }.map { index in
                let branch = plans[index].branches[number]
                try restore(sequences[index], for: branch, of: plans[index])
                return Job(
                    item: index, sequence: sequences[index], input: branch.input[...], lookups: branch.lookups[...])
            }
            try run(jobs, into: &likelihoods)
        }
        return zip(zip(plans, sequences), likelihoods).map { item, likelihoods in
            let (plan, sequence) = item
            return ItemScore(
                item: plan.item.id, gold: plan.item.gold, logLikelihoods: likelihoods,
                lengths: plan.item.choices.map(PythonText.length), tokens: plan.continuationTokens,
                isTruncated: plan.isTruncated, bits: MeasuredBits(sequence))
        }
    }

    /// Cuts a sequence back to what a branch shares with those before it.
    private func restore(_ sequence: CacheSequence, for branch: ItemPlan.Branch, of plan: ItemPlan) throws {
        guard let exact else {
            // With windows the cache may go back further; the rest is then computed once more.
            _ = sequence.truncate(to: min(plan.prefix, sequence.count))
            return
        }
        // What is scored reads the cache, all before it does not.
        let context = branch.lookups.first?.position ?? 0
        let isShared = plan.prefix == context && sequence.count >= context
        let kept = sequence.truncate(to: isShared ? context : 0)
        if kept < context {
            _ = sequence.truncate(to: 0)
            try exact.run(branch.input[..<context], into: sequence)
        }
    }

    /// Tokens that a sequence is to hold, and what is asked of them.
    private struct Job {
        let item: Int
        let sequence: CacheSequence
        let input: ArraySlice<Int32>
        var lookups: ArraySlice<ItemPlan.Lookup> = []
    }

    /// A lookup at a row of the step at hand.
    private struct RowLookup {
        let row: Int
        let token: Int32
        let item: Int
        let request: Int
    }

    /// Runs jobs in full steps: where one does not fit, its rest comes first in the next step.
    private func run(_ jobs: [Job], into likelihoods: inout [[Double]]) throws {
        var waiting = jobs[...]
        while !waiting.isEmpty {
            var segments: [ForwardStep.Segment] = []
            var lookups: [RowLookup] = []
            var rows = 0
            while var job = waiting.first, rows < Self.rowsOfStep {
                let start = job.sequence.count
                let end = min(job.input.count, start + Self.rowsOfStep - rows)
                segments.append(.init(sequence: job.sequence, tokens: Array(job.input[start..<end])))
                let here = job.lookups.prefix { $0.position < end }
                lookups += here.map {
                    RowLookup(row: rows + $0.position - start, token: $0.token, item: job.item, request: $0.request)
                }
                rows += end - start
                guard end == job.input.count else {
                    job.lookups = job.lookups.dropFirst(here.count)
                    waiting[waiting.startIndex] = job
                    break
                }
                waiting.removeFirst()
            }
            try engine.run(ForwardStep(segments))
            try look(up: lookups, into: &likelihoods)
        }
    }

    /// Adds the logarithms of probabilities of the last step, whose rows ascend.
    private func look(up lookups: [RowLookup], into likelihoods: inout [[Double]]) throws {
        var rest = lookups[...]
        while let first = rest.first?.row {
            // Rows without a question between two with one are rare, and computed along.
            let some = rest.prefix { $0.row < first + Self.rowsOfLogits }
            let logarithms = try logProbabilities(of: some, from: first)
            for (lookup, logarithm) in zip(some, logarithms) {
                likelihoods[lookup.item][lookup.request] += Double(logarithm)
            }
            rest = rest.dropFirst(some.count)
        }
    }

    private func logProbabilities(of lookups: ArraySlice<RowLookup>, from first: Int) throws -> [Float] {
        let width = engine.vocabularySize
        let last = lookups.last?.row ?? first
        var results = [Float](repeating: .nan, count: lookups.count)
        logits.withUnsafeMutableBufferPointer { logits in
            engine.logits(rows: first..<last + 1, into: logits)
            results.withUnsafeMutableBufferPointer { results in
                let logits = UnsafeBufferPointer(logits)
                engine.threads.run(lookups.count) { index, _ in
                    let lookup = lookups[lookups.startIndex + index]
                    let offset = (lookup.row - first) * width
                    let row = UnsafeBufferPointer(rebasing: logits[offset..<offset + width]).span
                    let probabilities = try? LogProbabilities(logits: row, chosen: lookup.token, topCount: 0)
                    results[index] = probabilities?.chosen.logProbability ?? .nan
                }
            }
        }
        guard !results.contains(where: \.isNaN) else {
            throw EvaluationError(
                received: "logits that are no numbers",
                remedy: "the model gives no probabilities; use another file or cache")
        }
        return results
    }
}
