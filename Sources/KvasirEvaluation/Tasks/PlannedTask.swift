public import KvasirEngine

/// The items of a task, encoded for a model.
public struct PlannedTask: Sendable {
    /// The items.
    public let file: TaskFile

    let plans: [ItemPlan]

    /// Pages that the sequences of a batch take together, unless a single item takes more.
    private static let pagesOfBatch = 32
    private static let tokensOfPage = 64

    /// Plans the items of a file.
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

    /// Items of which a request was cut from the left.
    public var truncatedItems: Int { plans.count { $0.isTruncated } }

    /// Tokens that go through the model for all items.
    public var tokens: Int { plans.reduce(0) { $0 + $1.tokens } }

    /// Groups of items that are scored side by side, in the file's order: enough to fill steps, few enough that their pages
    /// take little memory.
    var batches: [Range<Int>] {
        var batches: [Range<Int>] = []
        var start = 0
        var pages = 0
        for (index, plan) in plans.enumerated() {
            let needed = (plan.longest + Self.tokensOfPage - 1) / Self.tokensOfPage
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
}
