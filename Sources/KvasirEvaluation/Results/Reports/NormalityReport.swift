internal import KvasirCache

/// The results of kind `normality`.
public struct NormalityReport: Codable, Sendable, Hashable {
    /// One layer's keys or values, by one unit, in one basis.
    public struct Row: Codable, Sendable, Hashable {
        /// Index of the layer; missing for all layers together.
        public let layer: Int?
        /// `keys` or `values`.
        public let part: CachePart
        /// `token` or the size of a block.
        public let unit: String
        /// Values of a whole unit: less than the size where a token's vector is shorter.
        public let unitLength: Int
        /// Whether heads were rotated.
        public let rotated: Bool
        /// Units tested.
        public let blocks: Int
        /// Units not tested: of equal values, or at the end of a vector and too short.
        public let untested: Int
        /// The share of the units that the test rejects at the level 0.05; missing if none was tested, as are the means.
        public let rejectionRate: Double?
        /// The mean of the test's statistic; 2 on normal data.
        public let statistic: Double?
        /// The mean skewness; 0 on normal data.
        public let skewness: Double?
        /// The mean kurtosis; close to 3 on normal data.
        public let kurtosis: Double?
        /// The quantile-quantile plot: normal quantile and mean standardized value of each point.
        public let qq: [[Double]]

        /// Creates a row.
        public init(_ row: NormalityRow) {
            layer = row.layer
            part = row.part
            unit = row.unit.description
            unitLength = row.unitLength
            rotated = row.isRotated
            blocks = row.statistics.blocks
            untested = row.statistics.untested
            rejectionRate = row.statistics.rejectionRate
            statistic = row.statistics.meanStatistic
            skewness = row.statistics.meanSkewness
            kurtosis = row.statistics.meanKurtosis
            qq = row.plot.map { [$0.theoretical, $0.sample] }
        }
    }

    /// Rows by layer, unit, part and basis.
    public let rows: [Row]
    /// All layers together, by unit, part and basis.
    public let allLayers: [Row]

    /// Creates a report.
    public init(_ rows: [NormalityRow]) {
        self.rows = rows.map { Row($0) }
        allLayers = NormalityRow.overLayers(rows).map { Row($0) }
    }
}

/// The settings of results of kind `normality`.
public struct NormalitySettings: Codable, Sendable, Hashable {
    /// The text's file name.
    public let text: String
    /// SHA-256 of the text.
    public let textSHA256: String
    /// Tokens of a window.
    public let context: Int
    /// Windows that were asked for; nil for all.
    public let chunks: Int?
    /// `token` or sizes of blocks.
    public let units: [String]
    /// The layers as they were given; missing for all.
    public let layers: String?
    /// `plain`, `rotated` or `both`.
    public let basis: String
    /// How linear layers multiplied: `int8` or `float32`.
    public let linear: String
    /// The level of the test.
    public let significance: Double

    /// Creates settings.
    public init(_ evaluation: NormalityEvaluation, text: String, textSHA256: String, linear: String) {
        self.text = text
        self.textSHA256 = textSHA256
        context = evaluation.context
        chunks = evaluation.windows
        units = evaluation.units.map(\.description)
        layers = evaluation.layers?.description
        basis = evaluation.basis.rawValue
        self.linear = linear
        significance = BlockStatistics.significance
    }
}
