internal import Foundation

/// Where an axis has its ticks.
enum Ticks {
    /// A number of the form 1, 2, 5 or 10 times a power of ten near `value`.
    ///
    /// Source: Heckbert, "Nice Numbers for Graph Labels", Graphics Gems (1990).
    ///
    /// - Parameter isRounded: the nearest such number; if not, the smallest that is not below.
    static func nice(_ value: Double, isRounded: Bool) -> Double {
        let power = pow(10, floor(log10(value)))
        let fraction = value / power
        let factor: Double =
            isRounded
            ? (fraction < 1.5 ? 1 : fraction < 3 ? 2 : fraction < 7 ? 5 : 10)
            : (fraction <= 1 ? 1 : fraction <= 2 ? 2 : fraction <= 5 ? 5 : 10)
        return factor * power
    }

    /// About `count` multiples of a nice number, the first not above the smallest value and the last not below the largest.
    static func loose(_ range: ClosedRange<Double>, count: Int) -> [Double] {
        guard range.upperBound > range.lowerBound else {
            let around = max(abs(range.lowerBound), 1)
            return loose(range.lowerBound - around / 2...range.upperBound + around / 2, count: count)
        }
        let span = nice(range.upperBound - range.lowerBound, isRounded: false)
        let step = nice(span / Double(max(count - 1, 1)), isRounded: true)
        // Multiples by their number, so that errors do not add up; a range's end that is a multiple stays one.
        let first = Int(floor(range.lowerBound / step + 1e-9))
        let last = Int(ceil(range.upperBound / step - 1e-9))
        return (first...max(last, first)).map { tidy(Double($0), step) }
    }

    /// Powers of ten within a range and, where there are few of them, 2 and 5 times these.
    static func logarithmic(_ range: ClosedRange<Double>) -> [Double] {
        let decades = log10(range.upperBound / range.lowerBound)
        let factors: [Double] = decades > 3 ? [1] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7]
        let first = Int(floor(log10(range.lowerBound)))
        let last = Int(ceil(log10(range.upperBound)))
        let candidates = (first...last).flatMap { exponent -> [Double] in
            let power = pow(10, Double(exponent))
            return factors.map { tidy($0, power) }
        }
        // An end of the range that is a tick stays one.
        let (low, high) = (range.lowerBound * (1 - 1e-9), range.upperBound * (1 + 1e-9))
        return candidates.filter { $0 >= low && $0 <= high }
    }

    /// A product as it is written: 3 · 0.1 is 0.3.
    private static func tidy(_ factor: Double, _ step: Double) -> Double {
        let product = factor * step
        return Double(String(format: "%.12g", product)) ?? product
    }
}
