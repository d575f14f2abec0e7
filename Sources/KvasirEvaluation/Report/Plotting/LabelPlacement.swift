/// A rectangle of a drawing.
struct Box {
    var x: Double
    var y: Double
    var width: Double
    var height: Double

    /// The area that two boxes share.
    func overlap(_ other: Box) -> Double {
        let across = min(x + width, other.x + other.width) - max(x, other.x)
        let down = min(y + height, other.y + other.height) - max(y, other.y)
        return across > 0 && down > 0 ? across * down : 0
    }

    /// The area that lies outside of another box.
    func excess(beyond other: Box) -> Double { width * height - overlap(other) }

    /// Whether a straight line meets the box; near enough by points on it.
    func meets(from start: (x: Double, y: Double), to end: (x: Double, y: Double)) -> Bool {
        (0...40).contains { step in
            let share = Double(step) / 40
            let px = start.x + share * (end.x - start.x)
            let py = start.y + share * (end.y - start.y)
            return px >= x && px <= x + width && py >= y && py <= y + height
        }
    }
}

/// Finds places for the labels of points where they cover neither each other nor a point.
enum LabelPlacement {
    /// A label to place.
    struct Label {
        let text: String
        let x: Double
        let y: Double
    }

    /// Where a label went.
    struct Placed {
        let box: Box
        /// Whether it is too far from its point to be told without a line.
        let isDistant: Bool
    }

    static let lineHeight = 15.0
    /// Half the size of a marker and the air around it.
    private static let marker = 7.0

    /// Places labels one by one, each at the best of some places around its point.
    ///
    /// - Parameters:
    ///   - labels: what to place.
    ///   - frame: where they must stay.
    ///   - lines: stretches that should stay free.
    static func place(
        _ labels: [Label], frame: Box, lines: [(start: (x: Double, y: Double), end: (x: Double, y: Double))] = []
    ) -> [Placed] {
        let markers = labels.map {
            Box(x: $0.x - marker, y: $0.y - marker, width: 2 * marker, height: 2 * marker)
        }
        // Points with many neighbours have the fewest places, so they choose first.
        func crowd(_ index: Int) -> Int {
            labels.count { abs($0.x - labels[index].x) < 90 && abs($0.y - labels[index].y) < 40 }
        }
        var placed = [Placed?](repeating: nil, count: labels.count)
        for index in labels.indices.sorted(by: { (crowd($0), $1) > (crowd($1), $0) }) {
            let others = placed.compactMap { $0?.box }
            var best: (cost: Double, place: Placed)?
            for (rank, place) in candidates(labels[index]).enumerated() {
                var cost = Double(rank) * 4 + place.box.excess(beyond: frame) * 50
                for box in others { cost += place.box.overlap(box) * 20 }
                for (other, box) in markers.enumerated() where other != index { cost += place.box.overlap(box) * 20 }
                cost += Double(lines.count { place.box.meets(from: $0.start, to: $0.end) }) * 30
                if cost < best?.cost ?? .infinity { best = (cost, place) }
            }
            placed[index] = best?.place
        }
        return placed.compactMap { $0 }
    }

    /// Places around a point, best first: beside it, above and below, then further off.
    private static func candidates(_ label: Label) -> [Placed] {
        let width = TextWidth.of(label.text)
        func box(_ dx: Double, _ dy: Double, _ anchor: Double) -> Box {
            Box(
                x: label.x + dx - anchor * width, y: label.y + dy - lineHeight / 2, width: width, height: lineHeight)
        }
        let near = [
            box(10, 0, 0), box(8, -12, 0), box(8, 12, 0), box(0, -16, 0.5), box(0, 16, 0.5), box(-10, 0, 1),
            box(-8, -12, 1), box(-8, 12, 1),
        ]
        let far = [26.0, 42, 60].flatMap { reach in
            [
                box(18, -reach, 0), box(18, reach, 0), box(-18, -reach, 1), box(-18, reach, 1), box(0, -reach, 0.5),
                box(0, reach, 0.5),
            ]
        }
        return near.map { Placed(box: $0, isDistant: false) } + far.map { Placed(box: $0, isDistant: true) }
    }

    /// Moves heights apart until none is nearer to the next than a line, as little as possible, within a range.
    ///
    /// - Returns: the new heights, in the order of the old.
    static func spread(_ heights: [Double], within range: ClosedRange<Double>) -> [Double] {
        let order = heights.indices.sorted { (heights[$0], $0) < (heights[$1], $1) }
        // Neighbours that touch form a block, which lies around the mean of where its members want to be.
        var blocks: [(wanted: [Double], start: Double)] = []
        for index in order {
            blocks.append(([heights[index]], heights[index]))
            while true {
                let last = blocks.count - 1
                let count = Double(blocks[last].wanted.count)
                let height = (count - 1) * lineHeight
                let middle = blocks[last].wanted.reduce(0, +) / count
                let lowest = max(range.upperBound - height, range.lowerBound)
                blocks[last].start = min(max(middle - height / 2, range.lowerBound), lowest)
                guard last > 0 else { break }
                let above = blocks[last - 1]
                guard above.start + Double(above.wanted.count) * lineHeight > blocks[last].start else { break }
                blocks[last - 1].wanted += blocks[last].wanted
                blocks.removeLast()
            }
        }
        var result = heights
        var next = order.makeIterator()
        for block in blocks {
            for line in block.wanted.indices {
                if let index = next.next() { result[index] = block.start + Double(line) * lineHeight }
            }
        }
        return result
    }
}

/// How wide a text is drawn, near enough to keep it from others: fonts differ.
enum TextWidth {
    /// The width at a size of letters.
    static func of(_ text: String, size: Double = 12) -> Double {
        text.reduce(0) { sum, character in
            let width =
                switch character {
                case "i", "j", "l", ".", ",", ":", ";", "|", "'", "!", " ": 0.3
                case "f", "t", "r", "/", "(", ")", "-": 0.4
                case "m", "w", "M", "W", "=", "%": 0.88
                case _ where character.isUppercase: 0.7
                default: 0.59
                }
            return sum + width * size
        }
    }
}
