internal import CKvasir
internal import KvasirNumerics

/// Weighted k-means: Lloyd's algorithm from centroids that k-means++ has drawn.
///
/// It lowers the sum over points of weight * |point - nearest centroid|^2. Weights count in the means only: points belong to
/// the centroid that is nearest, as they will when they are encoded, and the first centroids are drawn without them.
///
/// Means are sums in double precision in the order of the points, and every kernel gives the same bits on every
/// instruction set, so the result depends on points, weights and the generator alone.
///
/// Source: Zhang et al., "KV Cache is 1 Bit Per Channel" (arXiv:2405.03917), section 3.2; Arthur and Vassilvitskii,
/// "k-means++" (SODA 2007).
struct WeightedKMeans {
    /// Centroids.
    let count: Int
    /// The most rounds of assigning points and moving centroids.
    let rounds: Int
    private let kernels: kv_kmeans_kernels

    /// Centroids that move by less than this, on average and relative to the points' root mean square, have arrived.
    static let tolerance = 1e-5

    init(count: Int, rounds: Int, instructionSet: InstructionSet) {
        precondition(count > 0 && count <= 1 << 16 && rounds >= 0, "codes of 16 bits")
        self.count = count
        self.rounds = rounds
        kernels = kv_kmeans_kernels_for(kv_isa(rawValue: instructionSet.code)).pointee
    }

    /// Learns centroids: [centroid][channel].
    func centroids(_ points: borrowing ClusterPoints, _ generator: inout SeededGenerator) -> [Float] {
        precondition(points.count > 0, "there is something to learn from")
        var centroids = seeds(points, &generator)
        let scale = rootMeanSquare(points)
        for _ in 0..<rounds {
            let before = centroids
            move(&centroids, points, &generator)
            let moved = zip(before, centroids).reduce(0.0) { $0 + abs(Double($1.0) - Double($1.1)) }
            if moved / Double(centroids.count) <= Self.tolerance * scale { break }
        }
        return centroids
    }

    private func rootMeanSquare(_ points: borrowing ClusterPoints) -> Double {
        var sum = 0.0
        for value in points.rows.elements { sum += Double(value) * Double(value) }
        return (sum / Double(points.rows.count)).squareRoot()
    }

    // MARK: Seeding

    /// Draws the first centroids: one point uniformly, the others in proportion to the squared distance to the nearest that
    /// was drawn; uniformly again where all points have been drawn.
    func seeds(_ points: borrowing ClusterPoints, _ generator: inout SeededGenerator) -> [Float] {
        let lanes = Int(KV_KMEANS_TILE)
        var distances = [Float](repeating: .infinity, count: points.tileCount * lanes)
        var sums = [Float](repeating: 0, count: points.tileCount)
        // What is beyond the last point is at no distance and never drawn.
        for beyond in points.count..<distances.count { distances[beyond] = 0 }
        var centroids: [Float] = []
        centroids.reserveCapacity(count * points.channels)
        var drawn = Self.index(below: points.count, &generator)
        for _ in 0..<count {
            let row = points.rows.pointer + drawn * points.channels
            centroids.append(contentsOf: UnsafeBufferPointer(start: row, count: points.channels))
            kernels.approach(
                points.tiles.pointer, points.tileCount, points.channels, row, &distances, &sums)
            drawn = Self.draw(distances, sums, &generator) ?? Self.index(below: points.count, &generator)
        }
        return centroids
    }

    private static func index(below count: Int, _ generator: inout SeededGenerator) -> Int {
        min(Int(generator.nextUnit() * Double(count)), count - 1)
    }

    /// Draws a point in proportion to its distance; nil if all are zero.
    private static func draw(
        _ distances: [Float], _ sums: [Float], _ generator: inout SeededGenerator
    ) -> Int? {
        let lanes = Int(KV_KMEANS_TILE)
        let total = sums.reduce(0.0) { $0 + Double($1) }
        guard total > 0 else { return nil }
        var rest = generator.nextUnit() * total
        var chosen: Int?
        for tile in sums.indices where sums[tile] > 0 {
            // The last tile with a distance takes what rounding may have left.
            chosen = tile
            if rest < Double(sums[tile]) { break }
            rest -= Double(sums[tile])
        }
        guard let chosen else { return nil }
        var point: Int?
        for index in chosen * lanes..<(chosen + 1) * lanes where distances[index] > 0 {
            point = index
            if rest < Double(distances[index]) { break }
            rest -= Double(distances[index])
        }
        return point
    }

    // MARK: Rounds

    /// One round: every point goes to its nearest centroid, every centroid to the weighted mean of its points.
    ///
    /// A centroid without points, or whose points weigh nothing, goes to a point drawn uniformly.
    func move(_ centroids: inout [Float], _ points: borrowing ClusterPoints, _ generator: inout SeededGenerator) {
        let channels = points.channels
        let codes = codes(of: points, centroids)
        var sums = [Double](repeating: 0, count: centroids.count)
        var totals = [Double](repeating: 0, count: count)
        kernels.accumulate(
            points.rows.pointer, points.weights.pointer, codes, points.count, channels, &sums, &totals)
        for centroid in 0..<count {
            if totals[centroid] > 0 {
                for channel in centroid * channels..<(centroid + 1) * channels {
                    centroids[channel] = Float(sums[channel] / totals[centroid])
                }
            } else {
                let drawn = Self.index(below: points.count, &generator)
                for channel in 0..<channels {
                    centroids[centroid * channels + channel] = points.rows.pointer[drawn * channels + channel]
                }
            }
        }
    }

    /// The number of each point's nearest centroid, the lowest on a tie.
    func codes(of points: borrowing ClusterPoints, _ centroids: [Float]) -> [UInt16] {
        let channels = points.channels
        var codes = [UInt16](repeating: 0, count: points.tileCount * Int(KV_KMEANS_TILE))
        let halfNorms = (0..<count).map { centroid in
            Float(
                centroids[centroid * channels..<(centroid + 1) * channels]
                    .reduce(0.0) { $0 + Double($1) * Double($1) } / 2)
        }
        kernels.assign(points.tiles.pointer, points.tileCount, channels, centroids, halfNorms, count, &codes)
        codes.removeLast(codes.count - points.count)
        return codes
    }

    /// What the points lose with these centroids.
    func error(of points: borrowing ClusterPoints, _ centroids: [Float]) -> CodebookError {
        let codes = codes(of: points, centroids)
        var error = CodebookError()
        for point in 0..<points.count {
            let first = Int(codes[point]) * points.channels
            var (squares, energy) = (0.0, 0.0)
            for channel in 0..<points.channels {
                let value = Double(points.rows.pointer[point * points.channels + channel])
                let difference = value - Double(centroids[first + channel])
                squares += difference * difference
                energy += value * value
            }
            let weight = Double(points.weights.pointer[point])
            error.squares += squares
            error.energy += energy
            error.weightedSquares += weight * squares
            error.weightedEnergy += weight * energy
        }
        return error
    }
}

/// What codebooks lose of the points they were learned from.
public struct CodebookError: Sendable, Hashable, Codable {
    /// The sum of squared differences.
    public internal(set) var squares = 0.0
    /// The sum of squared values.
    public internal(set) var energy = 0.0
    /// The sum of squared differences, times the weights of the points.
    public internal(set) var weightedSquares = 0.0
    /// The sum of squared values, times the weights of the points.
    public internal(set) var weightedEnergy = 0.0

    /// The share of the points' energy that is lost; 0 if they have none.
    public var relative: Double { energy > 0 ? squares / energy : 0 }
    /// The same with the weights of the points.
    public var weightedRelative: Double { weightedEnergy > 0 ? weightedSquares / weightedEnergy : 0 }

    /// Adds what others lose.
    public static func += (sum: inout CodebookError, other: CodebookError) {
        sum.squares += other.squares
        sum.energy += other.energy
        sum.weightedSquares += other.weightedSquares
        sum.weightedEnergy += other.weightedEnergy
    }
}
