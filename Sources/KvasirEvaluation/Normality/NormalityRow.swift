internal import KvasirNumerics

/// Keys or values.
public enum CachePart: String, Sendable, Hashable, Codable, CaseIterable {
    /// The keys.
    case keys
    /// The values.
    case values
}

/// The normality of one layer's keys or values, by one unit, in one basis.
public struct NormalityRow: Sendable, Hashable, Codable {
    /// Index of the layer; nil for several together.
    public let layer: Int?
    /// Keys or values.
    public let part: CachePart
    /// What was tested as one sample.
    public let unit: NormalityUnit
    /// Values of a whole unit.
    public let unitLength: Int
    /// Whether heads were rotated.
    public let isRotated: Bool
    /// What the blocks gave.
    public internal(set) var statistics: BlockStatistics

    /// A point of a quantile-quantile plot.
    public struct Point: Sendable, Hashable {
        /// The quantile of the normal distribution.
        public let theoretical: Double
        /// The mean standardized value of the blocks at the same place.
        public let sample: Double
    }

    /// The quantile-quantile plot of the whole blocks; empty if there were none.
    public var plot: [Point] {
        let places = QuantilePlot(sampleCount: unitLength, points: NormalityEvaluation.plotPoints)
        return zip(places.theoretical, statistics.quantiles).map { Point(theoretical: $0, sample: $1) }
    }

    /// Adds rows of another window, in the same order, to these.
    public static func add(_ rows: [NormalityRow], to sums: inout [NormalityRow]) {
        if sums.isEmpty {
            sums = rows
            return
        }
        precondition(rows.count == sums.count, "windows of one measurement")
        for index in rows.indices { sums[index].statistics.add(rows[index].statistics) }
    }

    /// The rows of all layers taken together, one for each part, unit and basis, in the order of the first layer's.
    ///
    /// Layers whose vectors have other lengths stay apart.
    public static func overLayers(_ rows: [NormalityRow]) -> [NormalityRow] {
        struct Kind: Hashable {
            let part: CachePart
            let unit: NormalityUnit
            let length: Int
            let isRotated: Bool
        }
        var places: [Kind: Int] = [:]
        var sums: [NormalityRow] = []
        for row in rows {
            let kind = Kind(part: row.part, unit: row.unit, length: row.unitLength, isRotated: row.isRotated)
            if let place = places[kind] {
                sums[place].statistics.add(row.statistics)
            } else {
                places[kind] = sums.count
                sums.append(
                    NormalityRow(
                        layer: nil, part: row.part, unit: row.unit, unitLength: row.unitLength,
                        isRotated: row.isRotated, statistics: row.statistics))
            }
        }
        return sums
    }
}
