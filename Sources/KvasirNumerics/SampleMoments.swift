/// The shape of a sample in four numbers.
public struct SampleMoments: Sendable, Hashable {
    /// Values of the sample.
    public let count: Int
    /// The mean.
    public let mean: Double
    /// The second central moment: the mean of the squared deviations, not corrected for the sample's size.
    public let variance: Double
    /// The third central moment in units of the standard deviation, `m3 / m2^1.5`: 0 for a symmetric distribution.
    public let skewness: Double
    /// The fourth central moment in units of the standard deviation, `m4 / m2^2`: 3 for a normal distribution.
    public let kurtosis: Double

    /// Creates the moments of a sample that is not at hand.
    public init(count: Int, mean: Double, variance: Double, skewness: Double, kurtosis: Double) {
        self.count = count
        self.mean = mean
        self.variance = variance
        self.skewness = skewness
        self.kurtosis = kurtosis
    }

    /// Computes the moments of a sample; nil if its values are all equal, since a constant has no shape.
    ///
    /// - Precondition: the sample is not empty, and its values are finite.
    public init?(_ sample: some Collection<Double>) {
        precondition(!sample.isEmpty, "nothing has no moments")
        let n = Double(sample.count)
        let mean = sample.reduce(0, +) / n
        var (m2, m3, m4) = (0.0, 0.0, 0.0)
        for value in sample {
            let deviation = value - mean
            let square = deviation * deviation
            m2 += square
            m3 += square * deviation
            m4 += square * square
        }
        m2 /= n
        // What the rounding of the mean leaves of a constant is no spread either.
        guard m2 > (mean * mean) * 0x1p-100 else { return nil }
        self.init(
            count: sample.count, mean: mean, variance: m2, skewness: m3 / n / (m2 * m2.squareRoot()),
            kurtosis: m4 / n / (m2 * m2))
    }
}
