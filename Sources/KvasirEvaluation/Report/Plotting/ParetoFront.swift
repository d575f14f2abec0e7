/// The points of which no other is at least as good in both coordinates and better in one; smaller is better.
enum ParetoFront {
    /// The indices of the front, by the first coordinate; equal points are all in it, or none.
    static func indices(of points: [(x: Double, y: Double)]) -> [Int] {
        let order = points.indices.sorted { (points[$0].x, points[$0].y) < (points[$1].x, points[$1].y) }
        var front: [Int] = []
        for index in order {
            guard let last = front.last else {
                front.append(index)
                continue
            }
            let isEqual = points[index] == points[last]
            if points[index].y < points[last].y || isEqual { front.append(index) }
        }
        return front
    }
}
