internal import KvasirCache
internal import KvasirCodecs
internal import KvasirNumerics

/// How long queries are as scores use them: after rotary embedding, times the factor of scores, squared.
///
/// Attached to `Operations`, it sees every step.
public final class QueryNorms {
    /// Squared lengths by layer and query head.
    private var lengths: [[[Float]]]
    private let model: ModelInfo

    /// Prepares a measurement.
    public init(_ model: ModelInfo) {
        self.model = model
        let shape = model.cacheShape
        lengths = [[[Float]]](
            repeating: [[Float]](repeating: [], count: shape.queryHeads), count: shape.layers)
    }

    /// Tokens that were seen.
    public var tokens: Int { lengths.first?.first?.count ?? 0 }

    /// The 90th percentile by layer and KV head: of the query heads that share one, that with the most.
    ///
    /// Source: Dong et al., "QAQ" (arXiv:2403.04643), section 3: a bound that holds in 90 % of the cases.
    public var percentiles: [[Float]] {
        let group = model.cacheShape.groupSize
        return lengths.map { heads in
            stride(from: 0, to: heads.count, by: group).map { first in
                heads[first..<first + group].map(Self.percentile).max() ?? 0
            }
        }
    }

    /// The least of the values that nine tenths of all do not exceed.
    static func percentile(_ values: [Float]) -> Float {
        guard !values.isEmpty else { return 0 }
        return values.sorted()[(values.count * 9 + 9) / 10 - 1]
    }

    func note(_ queries: FloatMatrix, layer: Int, factor: Float) {
        let size = model.cacheShape.heads.headSize
        for row in 0..<queries.rows {
            for head in lengths[layer].indices {
                let query = queries.row(row) + head * size
                var sum: Float = 0
                for channel in 0..<size {
                    let value = query[channel] * factor
                    sum += value * value
                }
                lengths[layer][head].append(sum)
            }
        }
    }
}
