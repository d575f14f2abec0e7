import CKvasir
import KvasirNumerics
import Testing

/// The kernels of every instruction set beside the portable ones: the same bits.
struct KMeansKernelTests {
    private static let lanes = Int(KV_KMEANS_TILE)

    private static func kernels(_ instructionSet: InstructionSet) -> kv_kmeans_kernels {
        kv_kmeans_kernels_for(kv_isa(rawValue: instructionSet.code)).pointee
    }

    private static func floats(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in Float(generator.nextUnit() * 6 - 3) }
    }

    private static func halfNorms(_ centroids: [Float], channels: Int) -> [Float] {
        stride(from: 0, to: centroids.count, by: channels).map {
            centroids[$0..<$0 + channels].reduce(0) { $0 + $1 * $1 } / 2
        }
    }

    @Test("Nearest centroids", arguments: InstructionSet.supported, 1...16)
    func assign(instructionSet: InstructionSet, channels: Int) {
        for (tiles, count) in [(1, 16), (2, 5), (5, 40)] {
            let points = Self.floats(tiles * Self.lanes * channels, seed: 1)
            var centroids = Self.floats(count * channels, seed: 2)
            // Two that are the same: the lower one wins.
            centroids.replaceSubrange(3 * channels..<4 * channels, with: centroids[channels..<2 * channels])
            let norms = Self.halfNorms(centroids, channels: channels)
            func codes(_ set: InstructionSet) -> [UInt16] {
                var codes = [UInt16](repeating: 9999, count: tiles * Self.lanes)
                Self.kernels(set).assign(points, tiles, channels, centroids, norms, count, &codes)
                return codes
            }
            let expected = codes(.generic)
            #expect(codes(instructionSet) == expected)
            #expect(!expected.contains(3) && expected.allSatisfy { $0 < count })
            // Beside a search in double precision: what is found is nearest, but for rounding.
            for point in expected.indices {
                func distance(_ centroid: Int) -> Double {
                    (0..<channels).reduce(0.0) { sum, channel in
                        let lane = (point / Self.lanes * channels + channel) * Self.lanes + point % Self.lanes
                        let difference = Double(points[lane]) - Double(centroids[centroid * channels + channel])
                        return sum + difference * difference
                    }
                }
                let least = (0..<count).map(distance).min() ?? 0
                #expect(distance(Int(expected[point])) <= least + 1e-4)
            }
        }
    }

    @Test("Distances to a new centroid, and their sums", arguments: InstructionSet.supported, 1...16)
    func approach(instructionSet: InstructionSet, channels: Int) {
        let tiles = 5
        let points = Self.floats(tiles * Self.lanes * channels, seed: 3)
        func run(_ set: InstructionSet) -> (distances: [Float], sums: [Float]) {
            var distances = [Float](repeating: .infinity, count: tiles * Self.lanes)
            distances[tiles * Self.lanes - 1] = 0
            var sums = [Float](repeating: -1, count: tiles)
            for seed: UInt64 in [4, 5, 6] {
                Self.kernels(set).approach(
                    points, tiles, channels, Self.floats(channels, seed: seed), &distances, &sums)
            }
            return (distances, sums)
        }
        let (found, expected) = (run(instructionSet), run(.generic))
        #expect(found.distances == expected.distances && found.sums == expected.sums)
        #expect(expected.distances.last == 0 && expected.distances.allSatisfy(\.isFinite))
    }

    @Test("Weighted sums", arguments: InstructionSet.supported, 1...16)
    func accumulate(instructionSet: InstructionSet, channels: Int) {
        let (points, count) = (77, 5)
        let rows = Self.floats(points * channels, seed: 7)
        let weights = Self.floats(points, seed: 8).map { abs($0) * 1e-6 }
        let codes = (0..<points).map { UInt16($0 * 7 % count) }
        func run(_ set: InstructionSet) -> (sums: [Double], totals: [Double]) {
            var sums = [Double](repeating: 0, count: count * channels)
            var totals = [Double](repeating: 0, count: count)
            Self.kernels(set).accumulate(rows, weights, codes, points, channels, &sums, &totals)
            return (sums, totals)
        }
        let (found, expected) = (run(instructionSet), run(.generic))
        #expect(found.sums == expected.sums && found.totals == expected.totals)
    }
}
