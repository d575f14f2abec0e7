internal import KvasirCache

/// The results of kind `throughput`.
public struct ThroughputReport: Codable, Sendable, Hashable {
    /// A mark of memory.
    public struct Peak: Codable, Sendable, Hashable {
        /// The mark.
        public let bytes: Int
        /// `measurement` or, where the system cannot start the mark anew, `process`.
        public let of: String

        /// Creates a mark.
        public init(_ peak: PeakMemory) {
            bytes = peak.bytes
            of = peak.isOfMeasurementAlone ? "measurement" : "process"
        }
    }

    /// Tokens per second, all sequences together.
    public struct Speed: Codable, Sendable, Hashable {
        /// The middle run.
        public let median: Double
        /// The slowest run.
        public let minimum: Double
        /// The fastest run.
        public let maximum: Double

        init(_ speeds: Speeds) {
            median = speeds.median
            minimum = speeds.minimum
            maximum = speeds.maximum
        }
    }

    /// One cell with one cache.
    public struct Cell: Codable, Sendable, Hashable {
        /// `decode`, `prefill` or `batch`.
        public let test: String
        /// Cached tokens of a sequence before the clock starts; of a prefill the tokens of the prompt.
        public let tokens: Int
        /// Sequences of the cell.
        public let sequences: Int
        /// The cache in canonical spelling.
        public let cache: String
        /// Bytes of the pages that the sequences hold in the end.
        public let cacheBytes: Int
        /// Bits stored for each key value; missing in files of earlier programs, as the next three.
        public let bitsPerValueK: Double?
        /// Bits stored for each value.
        public let bitsPerValueV: Double?
        /// Bits that a query read of each key value it saw, on average.
        public let bitsReadPerValueK: Double?
        /// Bits that a query read of each value it saw, on average.
        public let bitsReadPerValueV: Double?
        /// The middle run.
        public let median: Double
        /// The slowest run.
        public let minimum: Double
        /// The fastest run.
        public let maximum: Double
        /// Bytes of cache read in a second.
        public let cacheBandwidth: Double?
        /// Tokens per second at which memory is all that takes time.
        public let limit: Double?
        /// The share of that limit that was reached.
        public let limitShare: Double?
        /// The runs beside busy threads; missing without any.
        public let besideNeighbours: Speed?
        /// The share of the speed that is left beside them.
        public let keptShare: Double?
        /// Missing if several caches were there at the same time.
        public let peak: Peak?

        /// Creates the row of a result.
        ///
        /// - Parameters:
        ///   - bandwidth: bytes the machine reads in a second.
        ///   - isAlone: whether no other cache was there.
        public init(_ result: ThroughputResult, bandwidth: Double, isAlone: Bool) {
            switch result.cell {
            case .decode(let depth): (test, tokens) = ("decode", depth)
            case .prefill(let prompt): (test, tokens) = ("prefill", prompt)
            case .batch(_, let sharesPrompt):
                (test, tokens) = (sharesPrompt ? "shared-batch" : "batch", ThroughputCell.batchPrompt)
            }
            sequences = result.cell.sequences
            cache = result.cache.description
            cacheBytes = result.cacheBytes
            bitsPerValueK = result.bitsPerValueK
            bitsPerValueV = result.bitsPerValueV
            bitsReadPerValueK = result.bitsReadPerValueK
            bitsReadPerValueV = result.bitsReadPerValueV
            median = result.speeds.median
            minimum = result.speeds.minimum
            maximum = result.speeds.maximum
            cacheBandwidth = result.cacheBytesPerSecond
            let limit = result.limit(bandwidth: bandwidth)
            self.limit = limit
            limitShare = limit.map { result.speeds.median / $0 }
            besideNeighbours = result.besideNeighbours.map { Speed($0) }
            keptShare = result.keptShare
            peak = isAlone ? result.peak.map { Peak($0) } : nil
        }
    }

    /// Bytes of the weights.
    public let weightBytes: Int
    /// Bytes of memory that all threads together read in a second.
    public let memoryBandwidth: Double
    /// The most memory until the model was loaded; missing if several caches are measured.
    public let loadingPeak: Peak?
    /// A row for every cell and cache.
    public let cells: [Cell]

    /// Creates a report.
    public init(weightBytes: Int, memoryBandwidth: Double, loadingPeak: Peak?, cells: [Cell]) {
        self.weightBytes = weightBytes
        self.memoryBandwidth = memoryBandwidth
        self.loadingPeak = loadingPeak
        self.cells = cells
    }
}

/// The settings of results of kind `throughput`.
public struct ThroughputSettings: Codable, Sendable, Hashable {
    /// Runs of every cell.
    public let repeats: Int
    /// Busy threads beside which every cell was timed once more.
    public let neighbours: Int
    /// Cached tokens of the decode cells.
    public let depths: [Int]
    /// Lengths of the prefill cells.
    public let prompts: [Int]
    /// Sequences of the batch cells.
    public let batches: [Int]

    /// Creates settings.
    public init(repeats: Int, neighbours: Int, depths: [Int], prompts: [Int], batches: [Int]) {
        self.repeats = repeats
        self.neighbours = neighbours
        self.depths = depths
        self.prompts = prompts
        self.batches = batches
    }
}
