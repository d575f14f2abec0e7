import KvasirCache
import KvasirEvaluation
import KvasirNumerics

/// What `bench` says, for machines.
struct BenchReport: Encodable {
    let model: String
    let threads: Int
    let instructionSet: String
    let weightBytes: Int
    /// Bytes of memory that all threads together read in a second.
    let memoryBandwidth: Double
    let repeats: Int
    /// Busy threads beside which every cell was timed once more.
    let neighbours: Int
    let loadingPeak: Peak?
    let results: [BenchRow]

    struct Peak: Encodable {
        let bytes: Int
        /// `measurement` or, where the system cannot start the mark anew, `process`.
        let of: String

        init(_ peak: PeakMemory) {
            bytes = peak.bytes
            of = peak.isOfMeasurementAlone ? "measurement" : "process"
        }
    }
}

/// What `bench` says of one cell with one cache, for machines and as a line of a table.
struct BenchRow: Encodable {
    struct Speed: Encodable {
        let median: Double
        let minimum: Double
        let maximum: Double

        init(_ speeds: Speeds) {
            median = speeds.median
            minimum = speeds.minimum
            maximum = speeds.maximum
        }
    }

    let test: String
    let tokens: Int
    let sequences: Int
    let cache: String
    let cacheBytes: Int
    let median: Double
    let minimum: Double
    let maximum: Double
    /// Bytes of cache read in a second.
    let cacheBandwidth: Double?
    /// Tokens per second at which memory is all that takes time.
    let limit: Double?
    let limitShare: Double?
    let besideNeighbours: Speed?
    let keptShare: Double?
    /// Missing if several caches were there at the same time.
    let peak: BenchReport.Peak?

    init(_ result: ThroughputResult, bandwidth: Double, isAlone: Bool) {
        switch result.cell {
        case .decode(let depth): (test, tokens) = ("decode", depth)
        case .prefill(let prompt): (test, tokens) = ("prefill", prompt)
        case .batch: (test, tokens) = ("batch", ThroughputCell.batchPrompt)
        }
        sequences = result.cell.sequences
        cache = result.cache.description
        cacheBytes = result.cacheBytes
        median = result.speeds.median
        minimum = result.speeds.minimum
        maximum = result.speeds.maximum
        cacheBandwidth = result.cacheBytesPerSecond
        let limit = result.limit(bandwidth: bandwidth)
        self.limit = limit
        limitShare = limit.map { result.speeds.median / $0 }
        besideNeighbours = result.besideNeighbours.map { Speed($0) }
        keptShare = result.keptShare
        peak = isAlone ? result.peak.map { BenchReport.Peak($0) } : nil
    }

    // MARK: - For people

    /// The columns every row has, and those that depend on what was asked for.
    private static let titles = [
        "test", "cache", "tokens/s", "lowest", "highest", "cache bytes", "cache GB/s", "limit", "of limit",
    ]

    static func heading(neighbours: Int, isAlone: Bool) -> String {
        var titles = titles
        if neighbours > 0 { titles += ["beside \(neighbours) busy", "kept"] }
        if isAlone { titles.append("peak MiB") }
        return line(titles) + line(titles.map { _ in "---" })
    }

    var line: String {
        let name =
            switch test {
            case "decode": "decode after \(tokens)"
            case "prefill": "prefill of \(tokens)"
            default: "decode of \(sequences) sequence\(sequences == 1 ? "" : "s")"
            }
        var cells = [
            name, cache, median.fixed(1), minimum.fixed(1), maximum.fixed(1), cacheBytes.grouped,
            cacheBandwidth.map { ($0 / 1e9).fixed(2) } ?? "", limit.map { $0.fixed(0) } ?? "",
            limitShare.map(Self.percent) ?? "",
        ]
        if let besideNeighbours, let keptShare {
            cells += [besideNeighbours.median.fixed(1), Self.percent(keptShare)]
        }
        if let peak { cells.append((Double(peak.bytes) / 0x1p20).fixed(1)) }
        return Self.line(cells)
    }

    private static func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }

    private static func percent(_ share: Double) -> String { "\((share * 100).fixed(0)) %" }
}

extension BenchReport {
    /// What the table's columns mean, and what was measured once.
    var notes: String {
        var lines = [
            "\(model), \(threads) threads, \(instructionSet); runs of every cell: \(repeats), tokens/s is their median.",
            "Memory is read at \((memoryBandwidth / 1e9).fixed(1)) GB/s; at the limit a step takes as long as reading the "
                + "weights (\(ByteCount(weightBytes))) and the cached tokens once.",
        ]
        if let loadingPeak {
            lines.append(
                "Peak: the most memory the process held \(loadingPeak.of == "process" ? "so far" : "during the cell"); "
                    + "\(ByteCount(loadingPeak.bytes)) until the model was loaded.")
        } else {
            lines.append("Peak memory: give one cache at a time to see it; these were held together.")
        }
        return "\n" + lines.joined(separator: "\n") + "\n"
    }
}
