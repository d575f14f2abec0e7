internal import KvasirTokenizers

/// What has to be computed for an item: what all its requests begin with, once, and how each goes on.
struct ItemPlan {
    /// One way to go on, shared by the requests that read the same tokens.
    struct Branch {
        /// All tokens it reads, the common ones included.
        let input: [Int32]
        /// What is asked of it, by position.
        var lookups: [Lookup]
    }

    /// The probability of a token after the one at a position.
    struct Lookup {
        let position: Int
        let token: Int32
        /// Whose likelihood it is part of.
        let request: Int
    }

    let item: TaskItem
    /// Tokens of the beginning that is computed once.
    let prefix: Int
    let branches: [Branch]
    /// Tokens of each continuation.
    let continuationTokens: [Int]
    let isTruncated: Bool

    /// What all requests begin with.
    var prefixTokens: ArraySlice<Int32> { branches.first?.input[..<prefix] ?? [] }
    /// The most tokens a sequence of this item holds.
    var longest: Int { branches.map(\.input.count).max() ?? 0 }
    /// Tokens that go through the model.
    var tokens: Int { prefix + branches.reduce(0) { $0 + $1.input.count - prefix } }

    /// Plans an item.
    ///
    /// - Throws: `TaskRecordError` if a request cannot be scored.
    init(_ item: TaskItem, tokenizer: any Tokenizer, contextLength: Int) throws(TaskRecordError) {
        var requests: [RequestTokens] = []
        for request in item.requests {
            requests.append(try RequestTokens(request, tokenizer: tokenizer, contextLength: contextLength))
        }
        self.item = item
        continuationTokens = requests.map(\.continuation.count)
        isTruncated = requests.contains(where: \.isTruncated)
        var branches: [Branch] = []
        for (index, request) in requests.enumerated() {
            let lookups = request.continuation.enumerated().map { offset, token in
                Lookup(position: request.firstScored + offset, token: token, request: index)
            }
            if let same = branches.firstIndex(where: { $0.input == request.input }) {
                branches[same].lookups += lookups
            } else {
                branches.append(Branch(input: request.input, lookups: lookups))
            }
        }
        for index in branches.indices { branches[index].lookups.sort { $0.position < $1.position } }
        self.branches = branches
        // The row that predicts the first token is each branch's own, so that the rows of a step that need logits adjoin.
        let common = requests.dropFirst().reduce(requests.first?.input.count ?? 0) { length, request in
            zip(requests[0].input, request.input).prefix(length).prefix { $0 == $1 }.count
        }
        prefix = min(common, requests.map(\.firstScored).min() ?? 0)
    }
}
