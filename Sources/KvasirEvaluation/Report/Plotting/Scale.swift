internal import Foundation

/// An axis: what it shows, and from where to where.
struct Axis {
    /// How values become places.
    enum Spacing {
        case linear, logarithmic
    }

    /// What is shown, with its unit.
    var title: String
    var spacing = Spacing.linear
    /// Whether the axis begins at zero; of a linear one only.
    var startsAtZero = false
    /// Whether the axis ends with the values rather than with a tick.
    var isTight = false
    /// How ticks are written.
    var format: (Double) -> String = NumberText.tick
}

/// Places values of an axis on a line of the drawing.
struct Scale {
    let ticks: [Double]
    private let spacing: Axis.Spacing
    private let domain: ClosedRange<Double>
    private let start: Double
    private let end: Double

    /// Chooses domain and ticks for some values.
    ///
    /// - Parameters:
    ///   - values: what is to be shown; positive on a logarithmic axis.
    ///   - start: the place of the smallest value.
    ///   - end: the place of the largest.
    ///   - count: about how many ticks.
    init(_ axis: Axis, values: [Double], from start: Double, to end: Double, count: Int) {
        spacing = axis.spacing
        self.start = start
        self.end = end
        let low = values.min() ?? 0
        let high = values.max() ?? 1
        switch axis.spacing {
        case .logarithmic:
            precondition(low > 0, "a logarithm of what is not positive")
            // A little air, so that no mark lies on the frame.
            let air = max(pow(high / low, 0.06), 1.05)
            let range = low / air...high * air
            let decimal = Ticks.logarithmic(range)
            // Within a small part of a decade the usual numbers may all lie outside.
            let inside = Ticks.loose(range, count: count).filter { range.contains($0) }
            domain = range
            ticks = decimal.count > 1 ? decimal : inside
        case .linear:
            let floor = axis.startsAtZero ? min(low, 0) : low
            let loose = Ticks.loose(floor...max(high, floor), count: count)
            if axis.isTight, high > floor {
                let air = 0.03 * (high - floor)
                let range = (axis.startsAtZero && low >= 0 ? 0 : floor - air)...high + air
                domain = range
                ticks = loose.filter { range.contains($0) }
            } else {
                domain = min(loose.first ?? floor, floor)...max(loose.last ?? high, high)
                ticks = loose
            }
        }
    }

    /// The place of a value.
    func callAsFunction(_ value: Double) -> Double {
        let share: Double
        switch spacing {
        case .linear: share = (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
        case .logarithmic: share = log(value / domain.lowerBound) / log(domain.upperBound / domain.lowerBound)
        }
        return start + share * (end - start)
    }
}
