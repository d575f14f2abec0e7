import KvasirNumerics
import Testing

@testable import KvasirCalibration

/// Weighted k-means: the reference's test vectors, and the cases that have no natural answer.
struct WeightedKMeansTests {
    private static func points(_ rows: [[Float]], _ weights: [Float]? = nil) -> ClusterPoints {
        ClusterPoints(
            count: rows.count, channels: rows[0].count, value: { rows[$0][$1] }, weight: { weights?[$0] ?? 1 })
    }

    private static func clusters(_ count: Int, rounds: Int = 30, _ set: InstructionSet = .best) -> WeightedKMeans {
        WeightedKMeans(count: count, rounds: rounds, instructionSet: set)
    }

    private static func random(_ count: Int, channels: Int, seed: UInt64, scale: Float = 1) -> [[Float]] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in (0..<channels).map { _ in Float(generator.nextUnit() - 0.5) * scale } }
    }

    @Test("One round, by hand", arguments: InstructionSet.supported)
    func oneRound(instructionSet: InstructionSet) {
        let points = Self.points([[0, 0], [1, 0], [0, 4], [0, 6]], [1, 3, 1, 1])
        let clusters = Self.clusters(2, instructionSet)
        var centroids: [Float] = [0, 0, 0, 5]
        var generator = SeededGenerator(seed: 0)
        let codes = clusters.codes(of: points, centroids)
        #expect(codes == [0, 0, 1, 1])
        clusters.move(&centroids, points, &generator)
        #expect(centroids == [0.75, 0, 0, 5])
        #expect(abs(clusters.error(of: points, centroids).weightedSquares - 2.75) < 1e-12)
    }

    @Test("Data twice as large, with weights ten times as large, give centroids twice as large and the same codes")
    func invariance() {
        let rows = Self.random(500, channels: 4, seed: 1)
        let weights = Self.random(500, channels: 1, seed: 2).map { abs($0[0]) }
        let clusters = Self.clusters(16)
        func learn(_ scale: Float, _ factor: Float) -> (centroids: [Float], codes: [UInt16]) {
            let points = Self.points(rows.map { $0.map { $0 * scale } }, weights.map { $0 * factor })
            var generator = SeededGenerator(seed: 3)
            let centroids = clusters.centroids(points, &generator)
            return (centroids, clusters.codes(of: points, centroids))
        }
        let (plain, scaled) = (learn(1, 1), learn(2, 8))
        #expect(scaled.centroids == plain.centroids.map { 2 * $0 } && scaled.codes == plain.codes)
        let other = learn(1, 10)
        #expect(zip(other.centroids, plain.centroids).allSatisfy { pair in abs(pair.0 - pair.1) < 1e-5 })
    }

    @Test("Clusters that lie apart are found, and every instruction set finds the same")
    func apart() {
        let places: [[Float]] = [[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]]
        let noise = Self.random(400, channels: 3, seed: 4)
        let rows = noise.enumerated().map { index, row in zip(row, places[index % 4]).map { $0 + $1 } }
        var results: [[Float]] = []
        for set in InstructionSet.supported {
            var generator = SeededGenerator(seed: 9)
            results.append(Self.clusters(4, set).centroids(Self.points(rows), &generator))
        }
        #expect(results.allSatisfy { $0 == results[0] })
        for place in places {
            var distances: [Float] = []
            for centroid in 0..<4 {
                let found = results[0][3 * centroid..<3 * centroid + 3]
                distances.append(zip(place, found).reduce(0) { sum, pair in sum + abs(pair.0 - pair.1) })
            }
            #expect(distances.contains { $0 < 0.3 }, "\(place)")
        }
    }

    @Test("Rounds lower the weighted error, and weights draw centroids to what weighs more")
    func weightsCount() {
        let rows = Self.random(600, channels: 2, seed: 5)
        // One corner weighs a thousand times as much.
        let weights = rows.map { Float($0[0] > 0.2 && $0[1] > 0.2 ? 1000 : 1) }
        func error(_ points: borrowing ClusterPoints, rounds: Int) -> (centroids: [Float], error: CodebookError) {
            var generator = SeededGenerator(seed: 6)
            let clusters = Self.clusters(16, rounds: rounds)
            let centroids = clusters.centroids(points, &generator)
            return (centroids, clusters.error(of: points, centroids))
        }
        let weighted = Self.points(rows, weights)
        let errors = [0, 1, 5, 30].map { error(weighted, rounds: $0).error.weightedSquares }
        #expect(zip(errors, errors.dropFirst()).allSatisfy { $0 > $1 })
        let uniform = Self.points(rows)
        let plain = error(uniform, rounds: 30)
        #expect(Self.clusters(16).error(of: weighted, plain.centroids).weightedSquares > errors[3])
        #expect(error(weighted, rounds: 30).error.squares > plain.error.squares)
    }

    @Test("Points that are all the same, and fewer than centroids, are no trouble")
    func duplicates() {
        for rows in [[[Float]](repeating: [2, -3], count: 50), [[1, 1], [5, 5], [9, 9]], [[7, 0]]] {
            var generator = SeededGenerator(seed: 7)
            let points = Self.points(rows)
            let clusters = Self.clusters(16)
            let centroids = clusters.centroids(points, &generator)
            #expect(centroids.count == 32 && centroids.allSatisfy(\.isFinite))
            #expect(clusters.error(of: points, centroids).squares == 0)
        }
    }

    @Test("A centroid without points, and one whose points weigh nothing, go to a point")
    func emptyClusters() {
        let rows: [[Float]] = [[0, 0], [1, 0], [8, 8], [9, 8]]
        let points = Self.points(rows, [1, 1, 0, 0])
        var centroids: [Float] = [0, 0, 8, 8, 100, 100]
        var generator = SeededGenerator(seed: 8)
        Self.clusters(3).move(&centroids, points, &generator)
        #expect(Array(centroids[..<2]) == [0.5, 0])
        #expect(rows.contains(Array(centroids[2..<4])) && rows.contains(Array(centroids[4...])))
    }

    @Test("No point counts: everything weighs nothing")
    func withoutWeight() {
        var generator = SeededGenerator(seed: 1)
        let rows = Self.random(40, channels: 2, seed: 11)
        let centroids = Self.clusters(4).centroids(Self.points(rows, [Float](repeating: 0, count: 40)), &generator)
        #expect(stride(from: 0, to: 8, by: 2).allSatisfy { rows.contains(Array(centroids[$0..<$0 + 2])) })
    }

    @Test("Seeds are drawn in proportion to the squared distance, without the weights")
    func seeding() {
        // 30 points at 0, 9 at distance 1, 1 at distance 3: after a first one at 0, both kinds weigh 9.
        let rows: [[Float]] = (0..<30).map { _ in [0] } + (0..<9).map { _ in [1] } + [[3]]
        let points = Self.points(rows, (0..<40).map { $0 == 39 ? 1e-6 : 1 })
        var counts = [Float: Int]()
        var runs = 0
        for seed in 0..<4000 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            let seeds = Self.clusters(2).seeds(points, &generator)
            guard seeds[0] == 0 else { continue }
            runs += 1
            counts[seeds[1], default: 0] += 1
        }
        #expect(counts[0] == nil && runs > 2500)
        let share = Double(counts[3] ?? 0) / Double(runs)
        // Five standard errors.
        #expect(abs(share - 0.5) < 5 * (0.25 / Double(runs)).squareRoot())
    }
}
