internal import KvasirNumerics

/// The normality of many blocks: how often the test rejects them, and what they look like on average.
public struct BlockStatistics: Sendable, Hashable, Codable {
    /// The level of the test: on normal data this share of all blocks is rejected.
    public static let significance = 0.05

    /// Blocks tested.
    public private(set) var blocks = 0
    /// Blocks of them that the test rejects.
    public private(set) var rejected = 0
    /// Blocks that were not tested: of equal values, or at the end of a vector and too short.
    public private(set) var untested = 0

    private var statisticSum = 0.0
    private var skewnessSum = 0.0
    private var kurtosisSum = 0.0
    private var plotted = 0
    private var orderSums: [Double] = []

    /// Creates the statistics of no block.
    public init() {}

    /// Counts a block; its values are sorted.
    ///
    /// - Parameters:
    ///   - block: the values.
    ///   - plot: made for whole blocks; shorter ones are tested and not plotted.
    mutating func add(_ block: inout [Double], plot: QuantilePlot) {
        guard block.count >= NormalityTest.recommendedSample, let moments = SampleMoments(block) else {
            untested += 1
            return
        }
        let test = NormalityTest(moments)
        blocks += 1
        rejected += test.probability < Self.significance ? 1 : 0
        statisticSum += test.statistic
        skewnessSum += moments.skewness
        kurtosisSum += moments.kurtosis
        guard block.count == plot.sampleCount else { return }
        block.sort()
        plotted += 1
        add(plot.values(sorted: block, moments: moments))
    }

    /// Counts the blocks of other statistics, of units of the same length.
    public mutating func add(_ other: BlockStatistics) {
        blocks += other.blocks
        rejected += other.rejected
        untested += other.untested
        statisticSum += other.statisticSum
        skewnessSum += other.skewnessSum
        kurtosisSum += other.kurtosisSum
        plotted += other.plotted
        add(other.orderSums)
    }

    private mutating func add(_ values: [Double]) {
        if orderSums.isEmpty { orderSums = [Double](repeating: 0, count: values.count) }
        for (index, value) in values.enumerated() { orderSums[index] += value }
    }

    /// The share of the tested blocks that the test rejects; nil if none was tested.
    public var rejectionRate: Double? { mean(Double(rejected)) }

    /// The mean of the test's statistic, which is 2 on normal data.
    public var meanStatistic: Double? { mean(statisticSum) }

    /// The mean skewness of the blocks, 0 on normal data.
    public var meanSkewness: Double? { mean(skewnessSum) }

    /// The mean kurtosis of the blocks, close to 3 on normal data.
    public var meanKurtosis: Double? { mean(kurtosisSum) }

    private func mean(_ sum: Double) -> Double? { blocks > 0 ? sum / Double(blocks) : nil }

    /// The mean of the blocks' standardized order statistics at the places of the plot; empty if no whole block was tested.
    public var quantiles: [Double] { plotted > 0 ? orderSums.map { $0 / Double(plotted) } : [] }
}
