internal import KvasirCodecs
public import KvasirEngine

/// The sequences of a text that codebooks are learned from: of one length, spread evenly over the text.
public struct CalibrationSequences: Sendable, Hashable {
    /// The tokens of each.
    public let sequences: [[Int32]]
    /// Tokens of each.
    public let length: Int

    /// Cuts a text.
    ///
    /// - Parameters:
    ///   - tokens: the text.
    ///   - settings: how many sequences are wanted, and of which length.
    ///   - context: the most tokens that the model takes.
    ///   - first: what a model that was trained with a first token gets in place of each sequence's own.
    /// - Throws: `CalibrationError` if the text is too short, or the settings want more than it or the model has.
    public init(
        _ tokens: [Int32], settings: CoupledSettings, context: Int, first: Int32?
    ) throws(CalibrationError) {
        if let length = settings.length, length > context {
            throw CalibrationError(
                .impossible, received: "sequences of \(length) tokens",
                remedy: "the model's context holds \(context); use shorter ones")
        }
        let wanted = settings.wantedTokens
        let length = settings.length ?? min(2048, context, tokens.count)
        let counted = length - settings.skipped
        guard length > 1, counted > 0, length <= tokens.count else {
            throw CalibrationError(
                .impossible, received: "a text of \(tokens.count) tokens in sequences of \(length)",
                remedy: "codebooks of \(settings.schemes.map(\.description).joined(separator: ", ")) want "
                    + "\(wanted) tokens at least, \(settings.skipped) in each sequence not counted; give a longer text")
        }
        let available = tokens.count / length
        let count = settings.sequences ?? min(max(16, (wanted + counted - 1) / counted), available)
        guard count <= available else {
            throw CalibrationError(
                .impossible, received: "\(count) sequences of \(length) tokens",
                remedy: "the text has \(tokens.count) tokens and fills \(available); use fewer, or a longer text")
        }
        guard count * counted >= wanted else {
            throw CalibrationError(
                .impossible,
                received: "\(count * counted) tokens to learn from, \(count) sequences of \(counted)",
                remedy: "\(settings.schemes.max { $0.centroids < $1.centroids }?.description ?? "") wants \(wanted), "
                    + "\(CoupledSettings.tokensPerCentroid) for each centroid; give a longer text, more sequences, or a "
                    + "scheme of fewer bits")
        }
        self.length = length
        sequences = (0..<count).map { index in
            // The first begins with the text, the last ends with it.
            let start = count > 1 ? (tokens.count - length) * index / (count - 1) : 0
            var sequence = Array(tokens[start..<start + length])
            if let first { sequence[0] = first }
            return sequence
        }
    }
}
