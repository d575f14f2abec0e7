internal import KvasirCache

/// The results of kind `precision`.
public struct PrecisionReport: Codable, Sendable, Hashable {
    /// Bounds of the classes of relative errors.
    public let bounds: [Double]
    /// Rows by cache and part.
    public let rows: [PrecisionRow]

    /// Creates a report.
    public init(_ rows: [PrecisionRow]) {
        bounds = PrecisionRow.bounds
        self.rows = rows
    }
}

/// The settings of results of kind `precision`.
public struct PrecisionSettings: Codable, Sendable, Hashable {
    /// The text's file name.
    public let text: String
    /// SHA-256 of the text.
    public let textSHA256: String
    /// Tokens of a window.
    public let context: Int
    /// Windows that were asked for.
    public let chunks: Int?
    /// Query tokens at the end of every window.
    public let queries: Int
    /// The layers as they were given; missing for all.
    public let layers: String?

    /// Creates settings.
    public init(_ evaluation: PrecisionEvaluation, text: String, textSHA256: String) {
        self.text = text
        self.textSHA256 = textSHA256
        context = evaluation.context
        chunks = evaluation.windows
        queries = evaluation.queries
        layers = evaluation.layers?.description
    }
}
