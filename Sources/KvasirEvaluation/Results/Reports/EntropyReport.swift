internal import KvasirCache

/// The results of kind `entropy`.
public struct EntropyReport: Codable, Sendable, Hashable {
    /// One layer's keys, in one of their forms, or values; bits, by the number of channels from 1 on.
    public struct Row: Codable, Sendable, Hashable {
        /// Index of the layer; missing for all layers together.
        public let layer: Int?
        /// `keys before rotary`, `keys after rotary` or `values`.
        public let form: EntropyForm
        /// Groups of channels measured.
        public let groups: Int
        /// The mean entropy of neighbouring channels together, as observed.
        public let joint: [Double]
        /// The mean sum of the entropies of the same channels, as observed.
        public let alone: [Double]
        /// `joint` with the correction of Miller and Madow.
        public let correctedJoint: [Double]
        /// `alone` with the correction of Miller and Madow.
        public let correctedAlone: [Double]

        /// Creates a row.
        public init(_ row: EntropyRow) {
            layer = row.layer
            form = row.form
            groups = row.sums.groups
            joint = row.sums.meanJoint
            alone = row.sums.meanAlone
            correctedJoint = row.sums.correctedJoint
            correctedAlone = row.sums.correctedAlone
        }
    }

    /// Rows by layer and form.
    public let rows: [Row]
    /// All layers together, by form.
    public let allLayers: [Row]

    /// Creates a report.
    public init(_ rows: [EntropyRow]) {
        self.rows = rows.map { Row($0) }
        allLayers = EntropyRow.overLayers(rows).map { Row($0) }
    }
}

/// The settings of results of kind `entropy`.
public struct EntropySettings: Codable, Sendable, Hashable {
    /// The text's file name.
    public let text: String
    /// SHA-256 of the text.
    public let textSHA256: String
    /// Tokens of a window.
    public let context: Int
    /// Windows that were asked for.
    public let chunks: Int?
    /// The first tokens of every window that do not count.
    public let skipped: Int
    /// Bins of a channel.
    public let bins: Int
    /// The layers as they were given; missing for all.
    public let layers: String?

    /// Creates settings.
    public init(_ evaluation: EntropyEvaluation, text: String, textSHA256: String) {
        self.text = text
        self.textSHA256 = textSHA256
        context = evaluation.context
        chunks = evaluation.windows
        skipped = EntropyEvaluation.skipped
        bins = evaluation.bins
        layers = evaluation.layers?.description
    }
}
