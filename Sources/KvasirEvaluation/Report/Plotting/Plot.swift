/// What a diagram shows, apart from how it is drawn.
struct Plot {
    /// A point, perhaps with an interval around its height.
    struct Point {
        let x: Double
        let y: Double
        var low: Double?
        var high: Double?
        /// What stands beside it.
        var label: String?
        /// What is said of it where a pointer rests on it.
        var note: String?
        /// Whether it is drawn back behind the others.
        var isFaint = false
    }

    /// Points that belong together.
    struct Series {
        enum Mark {
            case line, points, lineAndPoints
        }

        let name: String
        let style: SeriesStyle
        var mark = Mark.lineAndPoints
        let points: [Point]
        /// Whether its name stands at the end of its line.
        var isNamed = true
    }

    /// A line to compare with.
    struct Guide {
        let from: (x: Double, y: Double)
        let to: (x: Double, y: Double)
    }

    /// What the diagram is called, for readers who do not see it.
    let title: String
    /// What it shows, in a sentence or two.
    let summary: String
    let x: Axis
    let y: Axis
    let series: [Series]
    var guides: [Guide] = []
    var width = 760.0
    var height = 400.0
}
