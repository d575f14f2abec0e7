package import KvasirCodecs

extension ModelStatistics {
    /// The turns of a model's keys, and random codebooks wherever a configuration needs some: for tests, and for measurements
    /// of what does not depend on what was learned.
    ///
    /// - Parameter rotary: how keys of every layer are turned; empty if they are not.
    /// - Throws: `CodecError` if a scheme does not divide the head.
    package static func random(
        for configuration: CacheConfiguration, shape: CacheShape, rotary: [RotaryEmbedding]
    ) throws(CodecError) -> ModelStatistics {
        var statistics = ModelStatistics(rotary: rotary)
        for kind in configuration.calibrations {
            if kind == .queryNorms {
                // Those of queries with a variance of 1.
                let norms = [Float](repeating: 1, count: shape.heads.kvHeads)
                statistics.queryNorms = [[Float]](repeating: norms, count: shape.layers)
            }
            guard case .coupled(let scheme, _) = kind else { continue }
            let codebooks = LayerCodebooks(
                keys: try .random(scheme, shape: shape.heads, seed: 5),
                values: try .random(scheme, shape: shape.heads, seed: 6))
            statistics.codebooks[kind] = [LayerCodebooks](repeating: codebooks, count: shape.layers)
        }
        return statistics
    }
}
