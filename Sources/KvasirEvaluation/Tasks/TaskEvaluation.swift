public import KvasirEngine
public import KvasirNumerics

/// The accuracy of a model on a multiple-choice task with several caches, over the same items.
///
/// Every choice is scored by the log-likelihood of its continuation after its context. Attention reads the cache in the
/// context and in the continuation, so the codec is measured in both.
public struct TaskEvaluation {
    /// The items.
    public let file: TaskFile

    /// Pages of a sequence that all items of a batch may come to together: bounds the memory of a batch.
    private static let pagesOfBatch = 32
    private static let pageTokens = 64

    private let plans: [ItemPlan]

    /// Plans the items of a file for a model.
    ///
    /// - Parameters:
    ///   - file: the items.
    ///   - model: gives the tokenizer.
    ///   - contextLength: the most tokens the model reads; what is longer is cut from the left.
    /// - Throws: `EvaluationError` that names the line of an item that cannot be scored.
    public init(_ file: TaskFile, model: LanguageModel, contextLength: Int) throws(EvaluationError) {
        self.file = file
        var plans: [ItemPlan] = []
        for item in file.items {
            do throws(TaskRecordError) {
                plans.append(try ItemPlan(item, tokenizer: model.tokenizer, contextLength: contextLength))
            } catch {
                throw EvaluationError(
                    received: "\(file.name), line \(item.id + 1): \(error.received)", remedy: error.remedy)
            }
        }
        self.plans = plans
    }

    /// Tokens that go through the model for an item, by its position: what its time is about proportional to.
    public func tokens(ofItem item: Int) -> Int { plans[item].tokens }

    /// Items whose context was cut from the left.
    public var truncatedItems: Int { plans.count { $0.isTruncated } }

    /// Groups of items that are scored side by side, in the file's order.
    public var batches: [Range<Int>] {
        var batches: [Range<Int>] = []
        var start = 0
        var pages = 0
        for (index, plan) in plans.enumerated() {
            let needed = (plan.longest + Self.pageTokens - 1) / Self.pageTokens
            if index > start, pages + needed > Self.pagesOfBatch {
                batches.append(start..<index)
                start = index
                pages = 0
            }
            pages += needed
        }
        batches.append(start..<plans.count)
        return batches
    }

    /// Scores some items.
    ///
    /// - Parameters:
    ///   - items: their positions; computed side by side, the result of each does not depend on the others.
    ///   - engine: the model that the items were planned for, with the cache to measure.
    ///   - threads: the engine's pool.
    /// - Throws: `EvaluationError` if the model gives no probabilities; whatever the engine throws.
    public func score(_ items: Range<Int>, engine: InferenceEngine, threads: ThreadPool) throws -> [ItemScore] {
        try ItemScorer(engine: engine, threads: threads).score(Array(plans[items]))
    }
}
