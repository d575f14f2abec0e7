internal import Foundation

/// The standard normal distribution.
public enum NormalDistribution {
    /// The value below which a share `probability` of the distribution lies.
    ///
    /// Bisection of the distribution function to the last bit: plain, and nowhere near a hot path.
    ///
    /// - Precondition: `probability` lies strictly between 0 and 1.
    public static func quantile(_ probability: Double) -> Double {
        precondition(probability > 0 && probability < 1, "a quantile belongs to a probability between 0 and 1")
        // The lower half keeps its digits where the upper one loses them to 1 - p.
        if probability > 0.5 { return -quantile(1 - probability) }
        var (low, high) = (-40.0, 0.0)
        while true {
            let middle = (low + high) / 2
            guard middle > low, middle < high else { return middle }
            if 0.5 * erfc(-middle / 2.0.squareRoot()) < probability { low = middle } else { high = middle }
        }
    }
}

extension NormalDistribution {
    /// The mean of the values between `low` and `high`, which may be infinite.
    ///
    /// - Precondition: `low` is less than `high`, and values between them occur.
    public static func mean(from low: Double, to high: Double) -> Double {
        precondition(low < high, "an interval")
        func density(_ x: Double) -> Double { exp(-x * x / 2) / (2 * Double.pi).squareRoot() }
        // The share above `low` and above `high`: on the positive side their difference keeps its digits.
        func above(_ x: Double) -> Double { 0.5 * erfc(x / 2.0.squareRoot()) }
        return (density(low) - density(high)) / (above(low) - above(high))
    }
}
