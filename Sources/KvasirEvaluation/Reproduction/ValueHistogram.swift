internal import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
internal import KvasirNumerics

/// How the values of one token's keys or values, and of its first block, are distributed: figures 3 and 4 of the NQKV paper.
public struct ValueHistogram: Sendable, Hashable, Codable {
    /// Index of the layer.
    public let layer: Int
    /// Keys or values.
    public let part: CachePart
    /// Values counted.
    public let values: Int
    /// The lower end of the first bin.
    public let minimum: Double
    /// The upper end of the last bin.
    public let maximum: Double
    /// Values in bins of equal width.
    public let counts: [Int]
    /// The mean of the values.
    public let mean: Double
    /// Their standard deviation.
    public let deviation: Double
    /// Skewness; 0 for a normal distribution.
    public let skewness: Double
    /// Kurtosis; 3 for a normal distribution.
    public let kurtosis: Double

    /// Bins of a histogram.
    public static let bins = 40

    /// Counts values; nil if all are equal.
    init?(_ vector: [Double], layer: Int, part: CachePart) {
        guard let moments = SampleMoments(vector), let low = vector.min(), let high = vector.max() else { return nil }
        self.layer = layer
        self.part = part
        values = vector.count
        minimum = low
        maximum = high
        var counts = [Int](repeating: 0, count: Self.bins)
        for value in vector { counts[min(Int((value - low) / (high - low) * Double(Self.bins)), Self.bins - 1)] += 1 }
        self.counts = counts
        mean = moments.mean
        deviation = moments.variance.squareRoot()
        skewness = moments.skewness
        kurtosis = moments.kurtosis
    }
}

/// What the paper shows of single tokens, of one token of a text after the same model's f32 cache.
public struct SingleTokenSample: Sendable, Hashable, Codable {
    /// Position of the token.
    public let position: Int
    /// The histograms of its keys and values in some layers.
    public let histograms: [ValueHistogram]
    /// The p-values of the test of normality of blocks of keys, as table 1 of the paper lists 16 of.
    public let keyProbabilities: [Double]
    /// The same of values.
    public let valueProbabilities: [Double]
    /// The layer of the p-values.
    public let layer: Int
    /// Values of a block.
    public let blockLength: Int
    /// Tokens, the first at `position`, whose blocks they are: more than one where a token has few blocks.
    public let tokens: Int

    /// Runs a text and takes the sample.
    ///
    /// - Parameters:
    ///   - text: the bytes of the text, as they are.
    ///   - engine: the model with an f32 cache.
    ///   - blockSize: values of a block; a shorter token is one block.
    /// - Throws: `EvaluationError` if the text or a block is too short; what the engine throws.
    public init(text: [UInt8], engine: InferenceEngine, blockSize: Int) throws {
        let shape = engine.plan.layers[0].keys.shape
        let length = min(blockSize, shape.width)
        guard length >= NormalityTest.recommendedSample else {
            throw EvaluationError(
                received: "blocks of \(length) values",
                remedy: "the test of normality takes at least \(NormalityTest.recommendedSample)")
        }
        let perToken = shape.width / length
        tokens = (PublishedNQKV.blocks + perToken - 1) / perToken
        blockLength = length
        // Not at the start, where the first token gathers attention.
        position = 64
        let count = position + tokens
        let piece = try ScoredWindows(text, context: count, count: 1, engine: engine)[0].tokens
        let sequence = engine.makeSequence()
        try engine.prefill(piece[...], into: sequence)

        let layers = engine.plan.layers.count
        layer = layers / 2
        var histograms: [ValueHistogram] = []
        var probabilities: [CachePart: [Double]] = [:]
        var (keys, values): ([Float], [Float]) = ([], [])
        for layer in Set([0, layers / 2, layers - 1]).sorted() {
            sequence.decode(layer: layer, tokens: position..<count, keys: &keys, values: &values)
            for (part, data) in [(CachePart.keys, keys), (.values, values)] {
                let width = data.count / tokens
                let vector = data.map(Double.init)
                if let histogram = ValueHistogram(Array(vector[..<width]), layer: layer, part: part) {
                    histograms.append(histogram)
                }
                guard layer == layers / 2 else { continue }
                // Whole blocks only, as many as the paper shows.
                let starts = (0..<tokens).flatMap { token in
                    (0..<width / length).map { token * width + $0 * length }
                }
                probabilities[part] = starts.prefix(PublishedNQKV.blocks).compactMap { start in
                    SampleMoments(vector[start..<start + length]).map { NormalityTest($0).probability }
                }
            }
        }
        self.histograms = histograms
        keyProbabilities = probabilities[.keys] ?? []
        valueProbabilities = probabilities[.values] ?? []
    }
}
