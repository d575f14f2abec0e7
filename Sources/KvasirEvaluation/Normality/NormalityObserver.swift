internal import KvasirCache
internal import KvasirCodecs
internal import KvasirEngine
internal import KvasirNumerics

/// Runs text through an engine and tests the keys and values that its cache then holds.
struct NormalityObserver {
    let engine: InferenceEngine
    let layers: [Int]
    let units: [NormalityUnit]
    let bases: [Bool]
    let rotations: [Int: HeadRotation]

    /// Tokens whose statistics one thread gathers at a time.
    private static let tokensAtATime = 64

    /// Runs tokens from an empty cache and tests their keys and values; of layers with a sliding window those that are held.
    ///
    /// - Returns: rows by layer, unit, part and basis.
    /// - Throws: what the engine throws.
    func rows(of tokens: [Int32]) throws -> [NormalityRow] {
        let sequence = engine.makeSequence()
        try engine.prefill(tokens[...], into: sequence)
        var rows: [NormalityRow] = []
        var keys: [Float] = []
        var values: [Float] = []
        for layer in layers {
            sequence.decode(layer: layer, tokens: sequence.heldTokens(layer: layer), keys: &keys, values: &values)
            let shape = (keys: engine.plan.layers[layer].keys.shape, values: engine.plan.layers[layer].values.shape)
            let parts = [
                (part: CachePart.keys, data: keys, width: shape.keys.width),
                (part: CachePart.values, data: values, width: shape.values.width),
            ]
            for unit in units {
                for (part, data, width) in parts {
                    for isRotated in bases {
                        let vectors = isRotated ? rotated(data, layer: layer) : data
                        rows.append(
                            NormalityRow(
                                layer: layer, part: part, unit: unit, unitLength: unit.length(inVectorOf: width),
                                isRotated: isRotated,
                                statistics: Self.statistics(
                                    of: vectors, width: width, unit: unit, threads: engine.threads)))
                    }
                }
            }
        }
        return rows
    }

    private func rotated(_ vectors: [Float], layer: Int) -> [Float] {
        guard let rotation = rotations[layer] else { preconditionFailure("every layer has its rotation") }
        var result = vectors
        result.withUnsafeMutableBufferPointer { buffer in
            if let start = buffer.baseAddress { rotation.apply(to: start, count: buffer.count) }
        }
        return result
    }

    /// Tests the units of all vectors: tokens x width.
    ///
    /// The result does not depend on the threads.
    static func statistics(
        of vectors: [Float], width: Int, unit: NormalityUnit, threads: ThreadPool
    ) -> BlockStatistics {
        let length = unit.length(inVectorOf: width)
        let plot = QuantilePlot(sampleCount: length, points: NormalityEvaluation.plotPoints)
        let tokens = vectors.count / width
        let items = (tokens + tokensAtATime - 1) / tokensAtATime
        var partial = [BlockStatistics](repeating: BlockStatistics(), count: items)
        partial.withUnsafeMutableBufferPointer { partial in
            let partial = partial
            threads.run(items) { item, _ in
                var sum = BlockStatistics()
                var block: [Double] = []
                block.reserveCapacity(length)
                for token in item * tokensAtATime..<min((item + 1) * tokensAtATime, tokens) {
                    for start in stride(from: 0, to: width, by: length) {
                        let end = min(start + length, width)
                        block.removeAll(keepingCapacity: true)
                        for value in vectors[token * width + start..<token * width + end] {
                            block.append(Double(value))
                        }
                        sum.add(&block, plot: plot)
                    }
                }
                partial[item] = sum
            }
        }
        // Added in order, whichever thread was first.
        return partial.reduce(into: BlockStatistics()) { $0.add($1) }
    }
}
