public import KvasirCodecs
public import KvasirEngine

/// How codebooks are made.
public struct CoupledSettings: Sendable, Hashable {
    /// What a token's channels count for when the centroids are computed.
    public enum Weights: String, Sendable, Hashable, Codable, CaseIterable {
        /// The squared gradient of the loss with respect to the channels of the group, summed: the diagonal of the Fisher
        /// information.
        case fisher
        /// All the same.
        case uniform
    }

    /// The schemes; they share what is recorded.
    public let schemes: [CoupledScheme]
    /// Which form of the keys is learned.
    public let keySpace: KeySpace
    /// The weights.
    public let weights: Weights
    /// Sequences; nil for 16, or as many as the largest codebook wants.
    public let sequences: Int?
    /// Tokens of a sequence; nil for 2048, or what the model's context and the text give.
    public let length: Int?
    /// The first tokens of each sequence that are not learned from.
    public let skipped: Int
    /// The most rounds of k-means.
    public let iterations: Int
    /// What random numbers start from.
    public let seed: UInt64

    /// The fewest tokens for each centroid: with less, codebooks remember their text.
    public static let tokensPerCentroid = 64
    /// Rounds of k-means where nothing else is said.
    public static let defaultIterations = 30

    /// Describes how codebooks are made.
    ///
    /// - Throws: `CalibrationError` if there is no scheme, one is named twice, or a number makes no sense.
    public init(
        schemes: [CoupledScheme], keySpace: KeySpace = .beforeRotary, weights: Weights = .fisher,
        sequences: Int? = nil, length: Int? = nil, skipped: Int = 0,
        iterations: Int = CoupledSettings.defaultIterations, seed: UInt64 = 0
    ) throws(CalibrationError) {
        guard !schemes.isEmpty else {
            throw CalibrationError(.impossible, received: "no scheme", remedy: "name at least one: 4c8b, for example")
        }
        guard Set(schemes).count == schemes.count else {
            throw CalibrationError(
                .impossible, received: schemes.map(\.description).joined(separator: ","),
                remedy: "a scheme is named twice; name each once")
        }
        for (name, number, least) in [
            ("sequences", sequences ?? 1, 1), ("tokens in a sequence", length ?? 2, 2),
            ("tokens left out", skipped, 0), ("iterations", iterations, 1),
        ] where number < least {
            throw CalibrationError(.impossible, received: "\(number) \(name)", remedy: "use \(least) at least")
        }
        self.schemes = schemes
        self.keySpace = keySpace
        self.weights = weights
        self.sequences = sequences
        self.length = length
        self.skipped = skipped
        self.iterations = iterations
        self.seed = seed
    }

    /// Tokens that the largest codebook wants.
    var wantedTokens: Int { (schemes.map(\.centroids).max() ?? 0) * Self.tokensPerCentroid }
}
