public import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
internal import KvasirModels
internal import KvasirNumerics

/// What the attention of a prompt reads.
public enum PrefillAttention: String, Codable, Sendable, Hashable, CaseIterable {
    /// The cache, as in generation: what is measured includes the codec's effect on the prompt itself.
    case cache
    /// The prompt's own keys and values in float32; the cache is read by the tokens after it alone, as in papers that keep
    /// the prompt's attention exact.
    case exact
}

/// Runs prompts whose own attention does not read the codec that stores them.
///
/// The prompt goes through the model beside a float32 cache, from which its keys and values are then stored in the cache
/// to be measured. While it runs, the prompt takes the memory of both.
public final class ExactPrefill {
    private let exact: InferenceEngine
    private let engine: InferenceEngine

    /// Prepares exact prompts for an engine.
    ///
    /// - Parameters:
    ///   - engine: the model and the cache to measure.
    ///   - exact: the same model with an f32 cache; may serve any number of engines, one after the other.
    public init(into engine: InferenceEngine, exact: InferenceEngine) {
        precondition(exact.plan.configuration.description == "f32", "only float32 keeps keys and values as they are")
        precondition(exact.plan.shape == engine.plan.shape, "both engines are of one model")
        self.exact = exact
        self.engine = engine
    }

    /// Runs a prompt and stores it in a sequence without tokens.
    ///
    /// - Throws: whatever an engine throws; `CacheError` if the pool has no room.
    public func run(_ tokens: ArraySlice<Int32>, into sequence: CacheSequence) throws {
        precondition(sequence.count == 0, "an exact prompt starts a sequence")
        guard !tokens.isEmpty else { return }
        let source = exact.makeSequence()
        try exact.prefill(tokens, into: source)
        try sequence.reserve(tokens.count, inStepsOf: InferenceEngine.prefillChunk)
        let width = engine.plan.shape.heads.width
        var (keys, values): ([Float], [Float]) = ([], [])
        for start in stride(from: 0, to: tokens.count, by: InferenceEngine.prefillChunk) {
            let chunk = start..<min(start + InferenceEngine.prefillChunk, tokens.count)
            for layer in 0..<engine.plan.shape.layers {
                source.decode(layer: layer, tokens: chunk, keys: &keys, values: &values)
                keys.withUnsafeMutableBufferPointer { keys in
                    values.withUnsafeMutableBufferPointer { values in
                        guard let keys = keys.baseAddress, let values = values.baseAddress else { return }
                        sequence.store(
                            layer: layer, keys: FloatMatrix(keys, rows: chunk.count, columns: width),
                            values: FloatMatrix(values, rows: chunk.count, columns: width), threads: engine.threads)
                    }
                }
            }
            sequence.advance(chunk.count)
        }
    }
}
