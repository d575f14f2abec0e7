/// Draws a diagram as SVG whose colours are the page's.
struct PlotDrawing {
    private let plot: Plot
    private let id: String
    private let frame: Box
    private let x: Scale
    private let y: Scale

    private static let topMargin = 34.0
    private static let bottomMargin = 50.0
    private static let radius = 4.5

    /// Lays a diagram out.
    ///
    /// - Parameter id: a name that the page has once.
    init(_ plot: Plot, id: String) {
        self.plot = plot
        self.id = id
        let points = plot.series.flatMap(\.points)
        let heights =
            points.flatMap { [$0.y, $0.low ?? $0.y, $0.high ?? $0.y] } + plot.guides.flatMap { [$0.from.y, $0.to.y] }
        let bottom = plot.height - Self.bottomMargin
        let y = Scale(plot.y, values: heights, from: bottom, to: Self.topMargin, count: 6)
        let left = 18 + (y.ticks.map { TextWidth.of(plot.y.format($0)) }.max() ?? 0)
        let names = plot.series.filter(\.isNamed).map { TextWidth.of($0.name) }
        let right = plot.width - (names.max().map { $0 + 34 } ?? 20)
        self.y = y
        frame = Box(x: left, y: Self.topMargin, width: right - left, height: bottom - Self.topMargin)
        let places = points.map(\.x) + plot.guides.flatMap { [$0.from.x, $0.to.x] }
        x = Scale(plot.x, values: places, from: left + 4, to: right - 4, count: plot.width > 500 ? 8 : 5)
    }

    /// The drawing.
    var markup: Markup {
        element(
            "svg",
            [
                "xmlns": "http://www.w3.org/2000/svg", "class": "plot", "role": "img",
                "viewBox": "0 0 \(place(plot.width)) \(place(plot.height))",
                "aria-labelledby": "\(id)-t \(id)-d",
            ],
            [element("title", ["id": "\(id)-t"], plot.title), element("desc", ["id": "\(id)-d"], plot.summary)]
                + axes + guides + plot.series.flatMap(lines) + plot.series.flatMap(whiskers)
                + plot.series.flatMap(markers) + labels + names)
    }

    // MARK: Frame

    private var axes: [Markup] {
        let bottom = frame.y + frame.height
        var pieces: [Markup] = []
        for tick in y.ticks {
            let height = y(tick)
            pieces.append(line(frame.x, height, frame.x + frame.width, height, "grid"))
            pieces.append(text(plot.y.format(tick), frame.x - 8, height + 4, "tick", anchor: "end"))
        }
        var end = -Double.infinity
        for tick in x.ticks {
            let middle = x(tick)
            pieces.append(line(middle, bottom, middle, bottom + 5, "axis"))
            // A tick that would run into the one before goes without a number.
            let half = TextWidth.of(plot.x.format(tick)) / 2
            guard middle - half > end + 6 else { continue }
            end = middle + half
            pieces.append(text(plot.x.format(tick), middle, bottom + 19, "tick", anchor: "middle"))
        }
        pieces.append(line(frame.x, bottom, frame.x + frame.width, bottom, "axis"))
        pieces.append(text(plot.y.title, 0, 14, "axis-title", anchor: "start"))
        pieces.append(text(plot.x.title, frame.x + frame.width, bottom + 41, "axis-title", anchor: "end"))
        return pieces
    }

    private var guides: [Markup] {
        plot.guides.map { line(x($0.from.x), y($0.from.y), x($0.to.x), y($0.to.y), "guide") }
    }

    // MARK: Series

    private func lines(_ series: Plot.Series) -> [Markup] {
        guard series.mark != .points, series.points.count > 1 else { return [] }
        let points = series.points.map { "\(place(x($0.x))) \(place(y($0.y)))" }
        return [
            element(
                "path",
                [
                    "class": "line \(series.style.colourClass)", "d": "M" + points.joined(separator: "L"),
                    "stroke-dasharray": series.style.dashes,
                ])
        ]
    }

    private func whiskers(_ series: Plot.Series) -> [Markup] {
        series.points.compactMap { point in
            guard let low = point.low, let high = point.high, high > low else { return nil }
            let (middle, top, bottom) = (place(x(point.x)), place(y(high)), place(y(low)))
            let (left, right) = (place(x(point.x) - 3), place(x(point.x) + 3))
            return element(
                "path",
                [
                    "class": "whisker \(series.style.colourClass)\(point.isFaint ? " faint" : "")",
                    "d":
                        "M\(middle) \(top)L\(middle) \(bottom)M\(left) \(top)L\(right) \(top)M\(left) \(bottom)L\(right) \(bottom)",
                ])
        }
    }

    private func markers(_ series: Plot.Series) -> [Markup] {
        guard series.mark != .line else { return [] }
        // Where there are many points, their line is what counts.
        let radius = series.points.count > 40 ? 2.2 : Self.radius
        return series.points.map { point in
            element(
                "path",
                [
                    "class": "mark \(series.style.colourClass)\(point.isFaint ? " faint" : "")",
                    "d": series.style.marker.path(x: x(point.x), y: y(point.y), radius: radius),
                ], point.note.map { [element("title", [:], $0)] } ?? [])
        }
    }

    /// The labels of single points.
    private var labels: [Markup] {
        let labelled = plot.series.flatMap { series in
            series.points.compactMap { point in point.label.map { (point, $0) } }
        }
        let places = LabelPlacement.place(
            labelled.map { LabelPlacement.Label(text: $1, x: x($0.x), y: y($0.y)) },
            frame: Box(x: frame.x, y: 18, width: plot.width - frame.x, height: frame.y + frame.height - 18),
            lines: plot.series.filter { $0.mark != .points }.flatMap(stretches))
        return zip(labelled, places).flatMap { labelled, placed -> [Markup] in
            let (point, label) = labelled
            let box = placed.box
            var pieces: [Markup] = []
            if placed.isDistant {
                let middle = box.x + box.width / 2
                let edge = box.y + box.height / 2 < y(point.y) ? box.y + box.height : box.y
                pieces.append(
                    line(x(point.x), y(point.y), min(max(x(point.x), box.x), middle + box.width / 2), edge, "leader"))
            }
            pieces.append(
                text(label, box.x, box.y + 11, point.isFaint ? "label faint" : "label", anchor: "start"))
            return pieces
        }
    }

    private func stretches(
        _ series: Plot.Series
    ) -> [(start: (x: Double, y: Double), end: (x: Double, y: Double))] {
        let places = series.points.map { (x: x($0.x), y: y($0.y)) }
        return zip(places, places.dropFirst()).map { (start: $0, end: $1) }
    }

    /// The names of series at the ends of their lines, moved apart.
    private var names: [Markup] {
        let named = plot.series.filter { $0.isNamed && !$0.points.isEmpty }
        let ends = named.compactMap { series in series.points.max { $0.x < $1.x }.map { (x($0.x), y($0.y)) } }
        let heights = LabelPlacement.spread(ends.map(\.1), within: frame.y + 4...frame.y + frame.height - 2)
        let column = frame.x + frame.width + 26
        return named.indices.flatMap { index in
            [
                line(ends[index].0 + 7, ends[index].1, column - 5, heights[index], "leader"),
                text(
                    named[index].name, column, heights[index] + 4, "label \(named[index].style.colourClass)",
                    anchor: "start"),
            ]
        }
    }

    // MARK: Pieces

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) -> Markup {
        element(
            "line", ["class": style, "x1": place(x1), "y1": place(y1), "x2": place(x2), "y2": place(y2)])
    }

    private func text(_ text: String, _ x: Double, _ y: Double, _ style: String, anchor: String) -> Markup {
        element("text", ["class": style, "x": place(x), "y": place(y), "text-anchor": anchor], text)
    }
}
