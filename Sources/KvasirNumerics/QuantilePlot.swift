/// The points of a normal quantile-quantile plot of samples of one size: their mean order statistics beside the normal
/// distribution's quantiles.
///
/// Each sample is standardized by its own mean and standard deviation and sorted; value `i` of `n` belongs to the quantile
/// of the probability `(i + 0.5) / n`. Of many samples the mean of every value is plotted. Points of normal samples lie on
/// the diagonal.
public struct QuantilePlot: Sendable, Hashable {
    /// The places in a sorted sample that are plotted, the first and the last among them.
    public let ranks: [Int]
    /// The normal quantile of every place.
    public let theoretical: [Double]
    /// Values of a sample.
    public let sampleCount: Int

    /// Chooses places.
    ///
    /// - Parameters:
    ///   - sampleCount: values of a sample, at least 2.
    ///   - points: places to plot, evenly spread; all values where there are fewer.
    public init(sampleCount: Int, points: Int) {
        precondition(sampleCount >= 2 && points >= 2, "a plot has two ends")
        let count = min(points, sampleCount)
        // Rounded to the nearest place; the ends are exact.
        ranks = (0..<count).map { (2 * $0 * (sampleCount - 1) + count - 1) / (2 * (count - 1)) }
        theoretical = ranks.map { NormalDistribution.quantile((Double($0) + 0.5) / Double(sampleCount)) }
        self.sampleCount = sampleCount
    }

    /// The standardized values of a sorted sample at the places.
    ///
    /// - Precondition: the sample is sorted and as long as the plot was made for; the moments are its own.
    public func values(sorted sample: [Double], moments: SampleMoments) -> [Double] {
        precondition(sample.count == sampleCount, "the plot was made for samples of another size")
        let deviation = moments.variance.squareRoot()
        return ranks.map { (sample[$0] - moments.mean) / deviation }
    }
}
