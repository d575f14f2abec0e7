/// A picture with its caption and the table behind it.
struct ReportFigure {
    /// What is drawn.
    enum Content {
        case plot(Plot)
        case intervals(IntervalPlot)
        /// Small diagrams side by side.
        case panels([Plot], legend: [(name: String, style: SeriesStyle)])
        /// Tables that are pictures themselves.
        case grids([Markup])
    }

    let title: String
    /// What to look at, and under which conditions it was measured.
    let caption: String
    let content: Content
    /// What the picture shows, in numbers.
    let table: DataTable?

    /// The figure.
    func markup(number: Int) -> Markup {
        let id = "figure-\(number)"
        let picture: Markup =
            switch content {
            case .plot(let plot): PlotDrawing(plot, id: id).markup
            case .intervals(let plot): plot.markup(id: id)
            case .panels(let plots, let legend):
                element(
                    "div", [:],
                    [
                        Legend(legend, width: 760).markup,
                        element(
                            "div", ["class": "panels"],
                            plots.enumerated().map { index, plot in
                                element(
                                    "div", ["class": "panel"],
                                    [
                                        element("h4", [:], plot.title),
                                        PlotDrawing(plot, id: "\(id)-\(index)").markup,
                                    ])
                            }),
                    ])
            case .grids(let grids): element("div", ["class": "panels"], grids)
            }
        var pieces = [
            picture,
            element(
                "figcaption", [:],
                [element("b", [:], "Figure \(number). \(title). "), .text(caption)]),
        ]
        if let table {
            pieces.append(element("details", [:], [element("summary", [:], "Numbers"), table.markup]))
        }
        return element("figure", ["id": id], pieces)
    }
}

/// A part of a report about one kind of measurement.
struct ReportSection {
    let title: String
    /// What was measured, in a sentence or two.
    let introduction: String
    var figures: [ReportFigure] = []
    var tables: [DataTable] = []
    /// What to know before believing it.
    var notes: [String] = []
}
