/// The mean of a sample, and how far it may be off.
public struct SampleMean: Sendable, Hashable {
    /// Values.
    public let count: Int
    /// Their mean.
    public let mean: Double
    /// Standard error of the mean: the sample standard deviation over the square root of the count; nil for a single value.
    public let standardError: Double?

    /// The mean of some values.
    ///
    /// - Precondition: there is a value.
    public init(_ values: [Double]) {
        precondition(!values.isEmpty, "no mean of nothing")
        count = values.count
        let mean = values.reduce(0, +) / Double(values.count)
        self.mean = mean
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        standardError =
            count > 1 ? (squares / Double(count - 1)).squareRoot() / Double(count).squareRoot() : nil
    }

    /// The unweighted mean of means of independent samples.
    ///
    /// - Precondition: there is one.
    public init(of samples: [SampleMean]) {
        precondition(!samples.isEmpty, "no mean of nothing")
        count = samples.reduce(0) { $0 + $1.count }
        mean = samples.reduce(0) { $0 + $1.mean } / Double(samples.count)
        let errors = samples.compactMap(\.standardError)
        standardError =
            errors.count == samples.count
            ? errors.reduce(0) { $0 + $1 * $1 }.squareRoot() / Double(samples.count) : nil
    }
}

extension [ItemScore] {
    /// The share of right answers by a metric, 0 to 1, with the standard error that the harness reports.
    ///
    /// - Precondition: there is a score.
    public func accuracy(_ metric: TaskMetric) -> SampleMean {
        SampleMean(map { $0.isCorrect(metric) ? 1 : 0 })
    }

    /// How the share of right answers differs from a reference's, item by item: its standard error is that of the paired
    /// differences, far smaller than that of either share where the answers are mostly the same.
    ///
    /// - Precondition: both have the same items in the same order.
    public func accuracyDifference(from reference: [ItemScore], _ metric: TaskMetric) -> SampleMean {
        precondition(map(\.item) == reference.map(\.item), "the same items, in the same order")
        return SampleMean(
            zip(self, reference).map { ($0.isCorrect(metric) ? 1 : 0) - ($1.isCorrect(metric) ? 1 : 0) })
    }
}
