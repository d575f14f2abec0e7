/// The names of series beside their marks, in as many lines as they need.
struct Legend {
    /// Marks and names.
    let pieces: [Markup]
    /// How much room they take.
    let height: Double

    private let width: Double

    /// Sets a legend; a name that comes again is left out.
    init(_ entries: [(name: String, style: SeriesStyle)], width: Double) {
        var pieces: [Markup] = []
        var seen: Set<String> = []
        var (x, y) = (8.0, 14.0)
        for entry in entries where seen.insert(entry.name).inserted {
            let step = TextWidth.of(entry.name) + 34
            if x + step > width, x > 8 {
                x = 8
                y += 20
            }
            pieces.append(
                element(
                    "path",
                    [
                        "class": "mark \(entry.style.colourClass)",
                        "d": entry.style.marker.path(x: x + 6, y: y - 4, radius: 4.5),
                    ]))
            pieces.append(element("text", ["class": "label", "x": place(x + 16), "y": place(y)], entry.name))
            x += step
        }
        self.pieces = pieces
        self.width = width
        height = y + 6
    }

    /// The legend as a drawing of its own.
    var markup: Markup {
        element(
            "svg",
            [
                "xmlns": "http://www.w3.org/2000/svg", "class": "plot legend", "aria-hidden": "true",
                "viewBox": "0 0 \(place(width)) \(place(height))",
            ], pieces)
    }
}
