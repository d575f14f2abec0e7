public import KvasirCache
internal import KvasirCodecs

/// The bits that cached values had at the end of a run, where they follow attention.
public struct MeasuredBits: Codable, Sendable, Hashable {
    /// Of keys or values.
    public struct Part: Codable, Sendable, Hashable {
        /// Bits of codes, averaged over the layers whose bits follow attention, without any overhead.
        public fileprivate(set) var meanBits = 0.0
        /// Bits for each value, averaged over all layers, every overhead counted.
        public fileprivate(set) var bitsPerValue = 0.0
        /// The same as the paper counts them: without positions of outliers and numbers of bits.
        public fileprivate(set) var paperBitsPerValue = 0.0
        /// The share of values kept as they are.
        public fileprivate(set) var outlierShare = 0.0
        /// Units of tokens by their bits, 0 to 8, of all layers.
        public fileprivate(set) var histogram = [Int](repeating: 0, count: 9)
    }

    /// Of the keys; nil where all have the same bits.
    public private(set) var keys: Part?
    /// Of the values; nil where all have the same bits.
    public private(set) var values: Part?
    /// Times that the bits of a unit of a token fell.
    public private(set) var lowered = 0
    /// Times that they rose.
    public private(set) var raised = 0
    /// Tokens that were looked at.
    public private(set) var tokens = 0

    /// Looks at a sequence; nil where the plan says all there is to say.
    public init?(_ sequence: CacheSequence) {
        let all = sequence.adaptiveBits
        guard !all.isEmpty, sequence.count > 0 else { return nil }
        tokens = sequence.count
        lowered = all.reduce(0) { $0 + $1.lowered }
        raised = all.reduce(0) { $0 + $1.raised }
        keys = Self.part(sequence.plan, all.filter(\.isKeys)) { $0.keys.storage }
        values = Self.part(sequence.plan, all.filter { !$0.isKeys }) { $0.values.storage }
    }

    private static func part(
        _ plan: CachePlan, _ bits: [AdaptiveBits], storage: (CachePlan.Layer) -> PartStorage
    ) -> Part? {
        guard !bits.isEmpty else { return nil }
        var part = Part()
        for layer in plan.layers {
            guard let own = bits.first(where: { $0.layer == layer.index }) else {
                let fixed = storage(layer).bitsPerValue(width: plan.shape.heads.width)
                part.bitsPerValue += fixed
                part.paperBitsPerValue += fixed
                continue
            }
            part.bitsPerValue += own.bitsPerValue
            part.paperBitsPerValue += own.paperBitsPerValue
            part.meanBits += own.meanBits
            part.outlierShare += own.part.outlierShare
            for index in own.histogram.indices { part.histogram[index] += own.histogram[index] }
        }
        part.bitsPerValue /= Double(plan.layers.count)
        part.paperBitsPerValue /= Double(plan.layers.count)
        part.meanBits /= Double(bits.count)
        part.outlierShare /= Double(bits.count)
        return part
    }

    /// Averages with another sequence of the same plan, by tokens.
    mutating func add(_ other: MeasuredBits) {
        let share = Double(other.tokens) / Double(tokens + other.tokens)
        func mix(_ first: Part?, _ second: Part?) -> Part? {
            guard var part = first, let second else { return first ?? second }
            part.meanBits += share * (second.meanBits - part.meanBits)
            part.bitsPerValue += share * (second.bitsPerValue - part.bitsPerValue)
            part.paperBitsPerValue += share * (second.paperBitsPerValue - part.paperBitsPerValue)
            for index in part.histogram.indices { part.histogram[index] += second.histogram[index] }
            return part
        }
        keys = mix(keys, other.keys)
        values = mix(values, other.values)
        lowered += other.lowered
        raised += other.raised
        tokens += other.tokens
    }
}

extension MeasuredBits? {
    /// Averages with what another sequence has, if either has anything.
    mutating func add(_ other: MeasuredBits?) {
        guard let other else { return }
        if self == nil { self = other } else { self?.add(other) }
    }
}
