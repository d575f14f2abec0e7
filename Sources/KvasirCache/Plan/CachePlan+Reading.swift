public import KvasirCodecs

/// What attention has read of a cache, layer by layer.
public struct PlanReading: Sendable, Hashable {
    /// Of the keys of every layer; nil where everything that is stored is read.
    public let keys: [CacheReading?]
    /// Of the values of every layer; nil where everything that is stored is read.
    public let values: [CacheReading?]

    /// What was read since `earlier`, of the same plan.
    public func since(_ earlier: PlanReading) -> PlanReading {
        func difference(_ part: KeyPath<PlanReading, [CacheReading?]>) -> [CacheReading?] {
            zip(self[keyPath: part], earlier[keyPath: part]).map { now, before in
                before.flatMap { now?.since($0) } ?? now
            }
        }
        return PlanReading(keys: difference(\.keys), values: difference(\.values))
    }
}

extension CachePlan.Layer {
    /// The widths at which keys are read, in bits; nil if everything that is stored is read.
    public var keyWidths: [Int]? { selectiveKeys?.meter.widths }
    /// The widths at which values are read, in bits; nil if everything that is stored is read.
    public var valueWidths: [Int]? { selectiveValues?.meter.widths }
}

extension CachePlan {
    /// Whether queries read fewer bits of some layer than it stores, by need.
    public var isSelective: Bool { layers.contains { $0.keyWidths != nil || $0.valueWidths != nil } }

    /// What all sequences of this plan have read so far.
    public var reading: PlanReading {
        PlanReading(
            keys: layers.map { $0.selectiveKeys?.meter.reading },
            values: layers.map { $0.selectiveValues?.meter.reading })
    }

    /// Bits that a query reads of each cached key value, averaged over the layers; nil if nothing has been read.
    public func bitsReadPerValueK(_ reading: PlanReading) -> Double? {
        bitsRead(reading.keys, storage: \.keys.storage)
    }

    /// Bits that a query reads of each cached value, averaged over the layers; nil if nothing has been read.
    public func bitsReadPerValueV(_ reading: PlanReading) -> Double? {
        bitsRead(reading.values, storage: \.values.storage)
    }

    private func bitsRead(_ readings: [CacheReading?], storage: (Layer) -> PartStorage) -> Double? {
        var sum = 0.0
        for (layer, reading) in zip(layers, readings) {
            guard let reading else {
                sum += storage(layer).bitsPerValue(width: shape.heads.width)
                continue
            }
            guard let bits = reading.bitsPerValue else { return nil }
            sum += bits
        }
        return sum / Double(max(layers.count, 1))
    }
}
