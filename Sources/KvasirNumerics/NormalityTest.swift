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

    /// The fewest values that the approximations take.
    public static let smallestSample = 8
    /// The fewest values for which the score of the kurtosis is close to normal; its authors ask for as many.
    public static let recommendedSample = 20

    /// Tests a sample.
    ///
    /// - Precondition: the sample has at least `smallestSample` values, not all equal.
    public init(_ sample: [Double]) {
        guard let moments = SampleMoments(sample) else { preconditionFailure("a constant has no shape") }
        self.init(moments)
    }

    /// Tests a sample by its moments.
    ///
    /// - Precondition: they are of at least `smallestSample` values.
    public init(_ moments: SampleMoments) {
        precondition(moments.count >= Self.smallestSample, "the approximations need 8 values")
        let n = Double(moments.count)
        let y = moments.skewness * ((n + 1) * (n + 3) / (6 * (n - 2))).squareRoot()
        let beta2 =
            3 * (n * n + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
        let w2 = -1 + (2 * (beta2 - 1)).squareRoot()
        skewness = asinh(y / (2 / (w2 - 1)).squareRoot()) / (0.5 * log(w2)).squareRoot()

        let expected = 3 * (n - 1) / (n + 1)
        let variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) * (n + 1) * (n + 3) * (n + 5))
        let x = (moments.kurtosis - expected) / variance.squareRoot()
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
