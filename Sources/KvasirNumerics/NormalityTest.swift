internal import Foundation

/// The omnibus test of normality of D'Agostino and Pearson: skewness and kurtosis as two normal scores.
///
/// Source: D'Agostino, Belanger, D'Agostino Jr., "A Suggestion for Using Powerful and Informative Tests of Normality",
/// The American Statistician 44 (1990). On normal data a share alpha of all samples is rejected at the level alpha, so
/// report rates, not single samples.
public struct NormalityTest: Sendable, Hashable {
    /// The score of the skewness.
    public let skewness: Double
    /// The score of the kurtosis.
    public let kurtosis: Double

    /// Tests a sample.
    ///
    /// - Precondition: the sample has at least 8 values, not all equal.
    public init(_ sample: [Double]) {
        precondition(sample.count >= 8, "the approximations need 8 values")
        let n = Double(sample.count)
        let mean = sample.reduce(0, +) / n
        func moment(_ power: Double) -> Double { sample.reduce(0) { $0 + pow($1 - mean, power) } / n }
        let m2 = moment(2)
        precondition(m2 > 0, "a constant has no shape")

        let y = moment(3) / pow(m2, 1.5) * ((n + 1) * (n + 3) / (6 * (n - 2))).squareRoot()
        let beta2 =
            3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
        let w2 = -1 + (2 * (beta2 - 1)).squareRoot()
        skewness = asinh(y / (2 / (w2 - 1)).squareRoot()) / (0.5 * log(w2)).squareRoot()

        let expected = 3 * (n - 1) / (n + 1)
        let variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1) * (n + 3) * (n + 5))
        let x = (moment(4) / (m2 * m2) - expected) / variance.squareRoot()
        let rootBeta1 =
            6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9))
            * (6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3))).squareRoot()
        let a = 6 + 8 / rootBeta1 * (2 / rootBeta1 + (1 + 4 / (rootBeta1 * rootBeta1)).squareRoot())
        let denominator = 1 + x * (2 / (a - 4)).squareRoot()
        let root = cbrt((1 - 2 / a) / abs(denominator))
        kurtosis = (1 - 2 / (9 * a) - (denominator < 0 ? -root : root)) / (2 / (9 * a)).squareRoot()
    }

    /// The sum of the squared scores.
    public var statistic: Double { skewness * skewness + kurtosis * kurtosis }

    /// The probability of a statistic at least as large on normal data.
    public var probability: Double { exp(-statistic / 2) }
}
