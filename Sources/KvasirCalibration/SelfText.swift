internal import KvasirCache
public import KvasirEngine
internal import KvasirModels
internal import KvasirNumerics
internal import KvasirTokenizers

/// Text that a model makes up itself: what to calibrate on where no text is at hand.
///
/// Sequences start from one token each, drawn from the vocabulary, and go on with what the model says at temperature 1, so
/// that together they follow the model's own distribution. They run side by side.
public struct SelfText {
    /// Sequences.
    public let sequences: Int
    /// Tokens of each.
    public let length: Int
    /// What the draws start from.
    public let seed: UInt64

    /// Sixteen sequences of 128 tokens by default, a few seconds of work for a small model.
    public init(sequences: Int = 16, length: Int = 128, seed: UInt64 = 0) {
        self.sequences = sequences
        self.length = length
        self.seed = seed
    }

    /// Generates the text and adds its keys to a measurement.
    ///
    /// - Parameter onToken: called after every step with the tokens done and all tokens of a sequence.
    /// - Throws: whatever the engine throws.
    public func run(
        on engine: InferenceEngine, into measurement: inout CenterMeasurement, onToken: (Int, Int) -> Void = { _, _ in }
    ) throws {
        for cache in try generate(on: engine, onToken: onToken) { measurement.add(cache) }
    }

    /// Generates the text and adds what its steps show to a measurement.
    ///
    /// - Throws: whatever the engine throws.
    public func run(on engine: InferenceEngine, into measurement: inout SmoothQuantMeasurement) throws {
        measurement.tokens += try generate(on: engine, onToken: { _, _ in }).reduce(0) { $0 + $1.count }
    }

    /// Generates the text, for a measurement that sees every step of the engine.
    ///
    /// - Throws: whatever the engine throws.
    public func run(on engine: InferenceEngine) throws { _ = try generate(on: engine, onToken: { _, _ in }) }

    private func generate(on engine: InferenceEngine, onToken: (Int, Int) -> Void) throws -> [CacheSequence] {
        let length = min(length, engine.contextLength)
        var generator = SeededGenerator(seed: seed)
        let tokenizer = engine.model.tokenizer
        // Some rows of an embedding belong to no token.
        var last = (0..<sequences).map { _ in Int32.random(in: 0..<Int32(tokenizer.vocabularySize), using: &generator) }
        var samplers = try (0..<sequences).map {
            try Sampler(SamplingParameters(seed: seed &+ UInt64($0)), vocabularySize: engine.vocabularySize)
        }
        let caches = (0..<sequences).map { _ in engine.makeSequence() }
        var logits = [Float](repeating: 0, count: engine.vocabularySize)
        let none: [Int32] = []
        for step in 0..<length {
            try engine.run(ForwardStep(zip(caches, last).map { .init(sequence: $0, tokens: [$1]) }))
            for row in 0..<sequences {
                try logits.withUnsafeMutableBufferPointer { logits in
                    engine.logits(rows: row..<row + 1, into: logits)
                    last[row] = try samplers[row].next(
                        logits: UnsafeBufferPointer(logits).span, history: none.span, promptCount: 0)
                }
            }
            onToken(step + 1, length)
        }
        return caches
    }
}
