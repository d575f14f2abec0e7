/// Quality against size: a point for each cache, those that nothing beats joined by a line.
struct QualityFigure {
    /// A cache.
    struct Entry {
        let cache: String
        let bits: Double
        let value: Double
        var error: Double?
    }

    let title: String
    let summary: String
    let axis: Axis
    let entries: [Entry]
    let styles: CacheStyles

    /// The diagram.
    var plot: Plot {
        let front = ParetoFront.indices(of: entries.map { (x: $0.bits, y: $0.value) })
        let isOnFront = entries.indices.map { front.contains($0) }
        let areAllNamed = entries.count <= 2 * CacheStyles.most
        func point(_ index: Int) -> Plot.Point {
            let entry = entries[index]
            return Plot.Point(
                x: entry.bits, y: entry.value, low: entry.error.map { entry.value - $0 },
                high: entry.error.map { entry.value + $0 },
                label: areAllNamed || isOnFront[index] ? entry.cache : nil,
                note:
                    "\(entry.cache): \(NumberText.fixed(entry.bits, 2)) bits, \(NumberText.significant(entry.value, 4))",
                isFaint: !isOnFront[index])
        }
        let others = entries.indices.filter { !isOnFront[$0] }
        let style = SeriesStyle(index: 0)
        return Plot(
            title: title, summary: summary,
            x: bitsAxis, y: axis,
            series: [
                Plot.Series(name: "others", style: style, mark: .points, points: others.map(point), isNamed: false),
                Plot.Series(name: "front", style: style, points: front.map(point), isNamed: false),
            ].filter { !$0.points.isEmpty })
    }

    /// Logarithmic, so that few bits have as much room as many; no cache has none, but a file may say so.
    private var bitsAxis: Axis {
        let title = "bits per value, mean of keys and values"
        return entries.allSatisfy { $0.bits > 0 }
            ? Axis(title: title + " (logarithmic)", spacing: .logarithmic) : Axis(title: title, isTight: true)
    }

    /// What the caption says of the front.
    static let reading =
        "Lower and further left is better. The line joins the Pareto front: caches that no other beats in both; hollow marks "
        + "are beaten, and named where there is room. Bits count codes and scales, not windows of f16 tokens such as KIVI's."
}
