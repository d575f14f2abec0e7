/// Layers of a model that need not be known yet: `0-1,-1`, where negative numbers count from the last layer.
public struct LayerList: Sendable, Hashable, CustomStringConvertible {
    /// Consecutive layers; each end is an index, or counts from the last layer (-1) if it is negative.
    public struct Item: Sendable, Hashable, CustomStringConvertible {
        /// The first layer.
        public let first: Int
        /// The last layer, the first one for a single one.
        public let last: Int

        /// Creates an item.
        public init(first: Int, last: Int) {
            self.first = first
            self.last = last
        }

        /// `3`, `-1`, `0-1` or `-2--1`.
        public var description: String { first == last ? "\(first)" : "\(first)-\(last)" }
    }

    /// The items, in the order in which they were given.
    public let items: [Item]

    /// Creates a list.
    public init(_ items: [Item]) { self.items = items }

    /// The list as it is parsed.
    public var description: String { items.map(\.description).joined(separator: ",") }

    /// Parses `0-1,-1`, without spaces; nil if the text is none.
    public init?(_ text: some StringProtocol) {
        var items: [Item] = []
        for piece in Substring(text).split(separator: ",", omittingEmptySubsequences: false) {
            guard let item = Item(piece) else { return nil }
            items.append(item)
        }
        self.init(items)
    }

    /// The indices for a model of `layers` layers.
    ///
    /// - Throws: `CacheError` if the model has no such layer, or a range runs backwards.
    public func indices(layers: Int) throws(CacheError) -> [Int] {
        var indices: [Int] = []
        for item in items {
            let first = try index(item.first, layers: layers)
            let last = try index(item.last, layers: layers)
            guard first <= last else {
                throw CacheError(
                    .impossibleLayer, received: "layers \(item)",
                    detail: "layer \(first) comes after layer \(last) of this model; write the lower one first")
            }
            indices += first...last
        }
        return indices
    }

    private func index(_ number: Int, layers: Int) throws(CacheError) -> Int {
        let index = number < 0 ? layers + number : number
        guard index >= 0, index < layers else {
            throw CacheError(
                .impossibleLayer, received: "layer \(number)",
                detail: "this model has layers 0 to \(layers - 1), or -\(layers) to -1 counted from the end; "
                    + "the nearest is \(index < 0 ? -layers : layers - 1)")
        }
        return index
    }
}

extension LayerList.Item {
    /// Parses one number, or two with a hyphen between them.
    fileprivate init?(_ text: Substring) {
        var rest = text
        guard let first = Self.number(from: &rest) else { return nil }
        guard !rest.isEmpty else {
            self.init(first: first, last: first)
            return
        }
        guard rest.removeFirst() == "-", let last = Self.number(from: &rest), rest.isEmpty else { return nil }
        self.init(first: first, last: last)
    }

    private static func number(from text: inout Substring) -> Int? {
        var digits = text
        let isNegative = digits.first == "-"
        if isNegative { digits.removeFirst() }
        let run = digits.prefix { $0.isASCII && $0.isNumber }
        // -0 would be the first layer to a reader and the one after the last to arithmetic.
        guard !run.isEmpty, let magnitude = Int(run), !(isNegative && magnitude == 0) else { return nil }
        text = digits.dropFirst(run.count)
        return isNegative ? -magnitude : magnitude
    }
}
