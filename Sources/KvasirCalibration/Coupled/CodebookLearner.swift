internal import CKvasir
internal import Foundation
internal import KvasirCodecs
internal import KvasirNumerics

/// The codebooks of one part of a layer, and what they lose.
struct LearnedPart: Codable {
    /// As `Codebooks.centroids`, two bytes each, the lower first.
    let centroids: Data
    let error: CodebookError

    /// The codebooks.
    func codebooks(_ scheme: CoupledScheme, _ shape: HeadShape) throws(CodecError) -> Codebooks {
        let bytes = [UInt8](centroids)
        return try Codebooks(
            scheme: scheme, shape: shape,
            centroids: stride(from: 0, to: bytes.count - 1, by: 2).map {
                UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8
            })
    }
}

/// Learns codebooks, the groups of a part shared out over the threads.
///
/// A group's random numbers start from the seed and the group's place in the model, so that neither the number of threads nor
/// the order of the work matters.
struct CodebookLearner {
    let scheme: CoupledScheme
    let iterations: Int
    let seed: UInt64
    let instructionSet: InstructionSet
    let threads: ThreadPool

    /// Groups that every thread learns between two looks at what else is to be done.
    private static let groupsAtATime = 2

    /// Learns the codebooks of a part.
    ///
    /// - Parameters:
    ///   - place: which part it is of all parts of the model.
    ///   - checkCancellation: called between some of the groups; ends the work by throwing.
    func learn(_ part: RecordedPart, place: Int, checkCancellation: () throws -> Void) rethrows -> LearnedPart {
        let groups = part.width / scheme.channels
        let weights = part.weights(channels: scheme.channels)
        let bookSize = scheme.centroids * scheme.channels
        var centroids = [UInt16](repeating: 0, count: groups * bookSize)
        var errors = [CodebookError](repeating: CodebookError(), count: groups)
        let step = threads.threadCount * Self.groupsAtATime
        for first in stride(from: 0, to: groups, by: step) {
            try checkCancellation()
            centroids.withUnsafeMutableBufferPointer { centroids in
                errors.withUnsafeMutableBufferPointer { errors in
                    let (centroids, errors) = (centroids, errors)
                    threads.run(min(step, groups - first)) { item, _ in
                        let group = first + item
                        let (book, error) = learn(
                            part.points(group: group, channels: scheme.channels, weights: weights),
                            group: place * groups + group)
                        for (index, half) in book.enumerated() { centroids[group * bookSize + index] = half }
                        errors[group] = error
                    }
                }
            }
        }
        let data = centroids.reduce(into: Data(capacity: centroids.count * 2)) { data, half in
            data.append(UInt8(truncatingIfNeeded: half))
            data.append(UInt8(truncatingIfNeeded: half >> 8))
        }
        return LearnedPart(centroids: data, error: errors.reduce(into: CodebookError()) { $0 += $1 })
    }

    /// Learns one codebook: its centroids as they are stored, and what they then lose.
    private func learn(_ points: borrowing ClusterPoints, group: Int) -> (book: [UInt16], error: CodebookError) {
        // Neighbouring seeds are unrelated; the factor keeps those of two groups from meeting.
        var generator = SeededGenerator(seed: seed &+ UInt64(group) &* 0xD134_2543_DE82_EF95)
        let clustering = WeightedKMeans(
            count: scheme.centroids, rounds: iterations, instructionSet: instructionSet)
        let book = clustering.centroids(points, &generator).map(kv_f32_to_f16)
        return (book, clustering.error(of: points, book.map(kv_f16_to_f32)))
    }
}
