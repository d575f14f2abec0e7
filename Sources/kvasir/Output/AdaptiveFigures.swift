import KvasirCache
import KvasirCodecs
import KvasirEvaluation
import KvasirNumerics

/// How many bits cached tokens have after a run, where bits follow attention.
struct AdaptiveFigures: Encodable {
    /// One part of one layer.
    struct Part: Encodable {
        let layer: Int
        let part: String
        /// Units of tokens by their bits, 0 to 8.
        let histogram: [Int]
        let meanBits: Double
        let bitsPerValue: Double
        let paperBitsPerValue: Double
        let outlierShare: Double
        let lowered: Int
        let raised: Int

        init(_ bits: AdaptiveBits) {
            layer = bits.layer
            part = bits.isKeys ? "K" : "V"
            histogram = bits.histogram
            meanBits = bits.meanBits
            bitsPerValue = bits.bitsPerValue
            paperBitsPerValue = bits.paperBitsPerValue
            outlierShare = bits.part.outlierShare
            lowered = bits.lowered
            raised = bits.raised
        }
    }

    let tokens: Int
    /// Averages of all layers.
    let average: MeasuredBits
    let parts: [Part]
    /// Bytes of the cache as it is.
    let cacheBytes: Int
    /// Bytes beside the cache: the attention since the last decision, and the file that dropped planes lie in.
    let feedbackBytes: Int
    let spilledBytes: Int

    /// nil where the plan says all there is to say.
    init?(_ sequence: CacheSequence) {
        guard let average = MeasuredBits(sequence) else { return nil }
        self.average = average
        tokens = sequence.count
        parts = sequence.adaptiveBits.map(Part.init)
        cacheBytes = sequence.bytes
        feedbackBytes = sequence.feedbackBytes
        spilledBytes = sequence.spilledBytes
    }

    /// The averages in words: what there is of keys and of values.
    var summary: String {
        [("K", average.keys), ("V", average.values)].compactMap { name, part in
            part.map {
                "\(name) \($0.meanBits.fixed(2)) bits, \($0.bitsPerValue.fixed(2)) with overheads "
                    + "(\($0.paperBitsPerValue.fixed(2)) as the paper counts)"
            }
        }.joined(separator: "; ") + "; lowered \(average.lowered.grouped) times, raised \(average.raised.grouped)"
    }

    /// A row for every part of every layer: shares of units of tokens by their bits.
    var text: String {
        let most = parts.compactMap { $0.histogram.lastIndex { $0 > 0 } }.max() ?? 0
        var rows = [
            ["LAYER", "PART"] + (0...most).map { "\($0) BITS" }
                + ["MEAN", "WITH OVERHEADS", "PAPER'S COUNT", "OUTLIERS", "LOWERED", "RAISED"]
        ]
        for part in parts {
            let count = Double(max(part.histogram.reduce(0, +), 1))
            rows.append(
                ["\(part.layer)", part.part]
                    + part.histogram[...most].map { "\((Double($0) * 100 / count).fixed(1)) %" }
                    + [
                        part.meanBits.fixed(3), part.bitsPerValue.fixed(3), part.paperBitsPerValue.fixed(3),
                        "\((part.outlierShare * 100).fixed(2)) %", part.lowered.grouped, part.raised.grouped,
                    ])
        }
        var lines = [("after \(tokens.grouped) tokens", summary), ("cache", "\(ByteCount(cacheBytes))")]
        if feedbackBytes > 0 { lines.append(("attention noted beside", "\(ByteCount(feedbackBytes))")) }
        if spilledBytes > 0 { lines.append(("planes in a file", "\(ByteCount(spilledBytes))")) }
        return table(columns: rows) + "\n\n" + table(lines)
    }
}
