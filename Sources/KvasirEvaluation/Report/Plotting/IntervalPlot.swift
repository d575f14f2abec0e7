/// Estimates with their errors, in groups one below the other: accuracies of tasks, a point for each cache.
struct IntervalPlot {
    /// An estimate.
    struct Estimate {
        let name: String
        let style: SeriesStyle
        let value: Double
        let error: Double?
        let note: String
    }

    /// Estimates of one thing.
    struct Group {
        let name: String
        let estimates: [Estimate]
        /// Where chance alone would be.
        var chance: Double?
    }

    /// What the diagram is called, for readers who do not see it.
    let title: String
    /// What it shows, in a sentence or two.
    let summary: String
    let axis: Axis
    let groups: [Group]

    private static let width = 760.0
    private static let row = 14.0
    private static let gap = 16.0

    /// The drawing.
    func markup(id: String) -> Markup {
        let left = 24 + (groups.map { TextWidth.of($0.name) }.max() ?? 0)
        let right = Self.width - 24
        let values = groups.flatMap { group in
            group.estimates.flatMap { [$0.value - ($0.error ?? 0), $0.value + ($0.error ?? 0)] }
                + [group.chance].compactMap { $0 }
        }
        let x = Scale(axis, values: values, from: left, to: right, count: 8)
        let legend = Legend(groups.flatMap(\.estimates).map { (name: $0.name, style: $0.style) }, width: Self.width)
        var pieces: [Markup] = []
        var top = legend.height + 10
        let start = top
        for (index, group) in groups.enumerated() {
            let height = Double(max(group.estimates.count, 1)) * Self.row + Self.gap
            if index % 2 == 0 {
                pieces.append(
                    element(
                        "rect",
                        [
                            "class": "band", "x": "0", "y": place(top), "width": place(Self.width),
                            "height": place(height),
                        ]))
            }
            pieces.append(
                element("text", ["class": "label", "x": "8", "y": place(top + height / 2 + 4)], group.name))
            if let chance = group.chance {
                pieces.append(line(x(chance), top + 2, x(chance), top + height - 2, "guide"))
            }
            for (number, estimate) in group.estimates.enumerated() {
                let middle = top + (Self.gap + Self.row) / 2 + Double(number) * Self.row
                pieces += drawing(of: estimate, x: x, height: middle)
            }
            top += height
        }
        for tick in x.ticks {
            pieces.insert(line(x(tick), start, x(tick), top, "grid"), at: 0)
            pieces.append(tickText(axis.format(tick), x(tick), top + 18))
        }
        pieces.append(line(left, top, right, top, "axis"))
        pieces.append(
            element(
                "text", ["class": "axis-title", "x": place(right), "y": place(top + 38), "text-anchor": "end"],
                axis.title))
        return element(
            "svg",
            [
                "xmlns": "http://www.w3.org/2000/svg", "class": "plot", "role": "img",
                "viewBox": "0 0 \(place(Self.width)) \(place(top + 46))", "aria-labelledby": "\(id)-t \(id)-d",
            ],
            [element("title", ["id": "\(id)-t"], title), element("desc", ["id": "\(id)-d"], summary)] + legend.pieces
                + pieces)
    }

    private func drawing(of estimate: Estimate, x: Scale, height: Double) -> [Markup] {
        var pieces: [Markup] = []
        if let error = estimate.error {
            let (low, high) = (x(estimate.value - error), x(estimate.value + error))
            pieces.append(line(low, height, high, height, "whisker \(estimate.style.colourClass)"))
        }
        pieces.append(
            element(
                "path",
                [
                    "class": "mark \(estimate.style.colourClass)",
                    "d": estimate.style.marker.path(x: x(estimate.value), y: height, radius: 4.5),
                ], [element("title", [:], estimate.note)]))
        return pieces
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) -> Markup {
        element("line", ["class": style, "x1": place(x1), "y1": place(y1), "x2": place(x2), "y2": place(y2)])
    }

    private func tickText(_ text: String, _ x: Double, _ y: Double) -> Markup {
        element("text", ["class": "tick", "x": place(x), "y": place(y), "text-anchor": "middle"], text)
    }
}
