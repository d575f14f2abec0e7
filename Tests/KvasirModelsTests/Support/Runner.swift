import KvasirCache
import KvasirModels
import KvasirNumerics
import KvasirWeights

/// A model with a cache, run step by step as an engine would.
final class Runner {
    let model: DecoderModel
    let plan: CachePlan
    private let pool: PagePool
    let operations: Operations
    private let workspace: DecoderWorkspace

    init(
        _ model: DecoderModel, cache: String, instructionSet: InstructionSet, threads: ThreadPool,
        precision: LinearPrecision = .float32
    ) throws {
        self.model = model
        let configuration = try CacheConfiguration(parsing: cache)
        plan = try CachePlan(
            configuration, shape: model.info.cacheShape,
            statistics: .random(for: configuration, shape: model.info.cacheShape, rotary: model.info.rotary),
            instructionSet: instructionSet)
        pool = PagePool(plan: plan)
        operations = Operations(plan: plan, instructionSet: instructionSet, threads: threads, precision: precision)
        workspace = DecoderWorkspace(model.info)
    }

    func sequence() -> CacheSequence { CacheSequence(plan: plan, pool: pool) }

    /// Runs one step and returns the logits of every row.
    func run(_ segments: [ForwardStep.Segment]) throws -> [[Float]] {
        for segment in segments { try segment.sequence.reserve(segment.tokens.count) }
        let step = ForwardStep(segments)
        model.forward(step, operations, workspace)
        let width = model.info.vocabularySize
        var logits = [Float](repeating: .nan, count: step.rows * width)
        logits.withUnsafeMutableBufferPointer {
            model.logits(rows: 0..<step.rows, operations, workspace, into: $0)
        }
        return (0..<step.rows).map { Array(logits[$0 * width..<($0 + 1) * width]) }
    }

    /// Runs tokens after those of `sequence`, in steps of the given lengths, repeated as often as it takes.
    func run(_ tokens: [Int32], in lengths: [Int], into sequence: CacheSequence? = nil) throws -> [[Float]] {
        let sequence = sequence ?? self.sequence()
        var logits: [[Float]] = []
        var rest = tokens[...]
        var step = 0
        while !rest.isEmpty {
            let chunk = rest.prefix(lengths[step % lengths.count])
            logits += try run([.init(sequence: sequence, tokens: Array(chunk))])
            rest = rest.dropFirst(chunk.count)
            step += 1
        }
        return logits
    }

    /// The most likely tokens after a prompt, each fed back.
    func continuation(of prompt: [Int32], count: Int) throws -> [Int32] {
        let sequence = sequence()
        var tokens: [Int32] = []
        var last = try run([.init(sequence: sequence, tokens: prompt)])[prompt.count - 1]
        while tokens.count < count {
            let best = last.indices.max { last[$0] < last[$1] } ?? 0
            tokens.append(Int32(best))
            last = try run([.init(sequence: sequence, tokens: [Int32(best)])])[0]
        }
        return tokens
    }
}

/// The largest difference in a row of logits as a share of the row's largest magnitude, for the worst row.
func relativeError(_ logits: [[Float]], _ reference: [[Float]]) -> Float {
    guard logits.count == reference.count else { return .infinity }
    return zip(logits, reference).map { row, expected in
        guard row.count == expected.count, row.allSatisfy(\.isFinite) else { return Float.infinity }
        let difference = zip(row, expected).map { abs($0 - $1) }.max() ?? 0
        return difference / (expected.map(abs).max() ?? 0)
    }.max() ?? .infinity
}

/// Tokens without any order, the same ones on every machine.
func scatteredTokens(_ count: Int, below bound: Int, seed: UInt32 = 1) -> [Int32] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Int32(Int(state >> 8) % bound)
    }
}
