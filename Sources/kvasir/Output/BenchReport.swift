import KvasirEvaluation
import KvasirNumerics

extension ThroughputReport.Cell {
    /// The columns every row has, and those that depend on what was asked for.
    private static let titles = [
        "test", "cache", "tokens/s", "lowest", "highest", "cache bytes", "bits stored K / V", "bits read", "cache GB/s",
        "limit", "of limit",
    ]

    static func heading(neighbours: Int, isAlone: Bool) -> String {
        var titles = titles
        if neighbours > 0 { titles += ["beside \(neighbours) busy", "kept"] }
        if isAlone { titles.append("peak MiB") }
        return line(titles) + line(titles.map { _ in "---" })
    }

    /// A line of the table.
    var line: String {
        let name =
            switch test {
            case "decode": "decode after \(tokens)"
            case "prefill": "prefill of \(tokens)"
            case "shared-batch": "decode of \(sequences), shared prompt"
            default: "decode of \(sequences) sequence\(sequences == 1 ? "" : "s")"
            }
        var cells = [
            name, cache, median.fixed(1), minimum.fixed(1), maximum.fixed(1), cacheBytes.grouped,
            Self.bits(bitsPerValueK, bitsPerValueV), Self.bits(bitsReadPerValueK, bitsReadPerValueV),
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

    private static func bits(_ keys: Double?, _ values: Double?) -> String {
        guard let keys, let values else { return "" }
        return "\(keys.fixed(2)) / \(values.fixed(2))"
    }

    private static func percent(_ share: Double) -> String { "\((share * 100).fixed(0)) %" }
}

extension ThroughputReport {
    /// What the table's columns mean, and what was measured once.
    func notes(_ settings: ThroughputSettings, model: ModelDescription, machine: MachineDescription) -> String {
        var lines = [
            "\(model.label), \(machine.threads) threads, \(machine.instructionSet); runs of every cell: "
                + "\(settings.repeats), tokens/s is their median.",
            "Memory is read at \((memoryBandwidth / 1e9).fixed(1)) GB/s; at the limit a step takes as long as reading the "
                + "weights (\(ByteCount(weightBytes))) and what is read of the cached tokens once.",
            "Bits of a key or value: stored, every overhead counted, and read by a query of one that it sees.",
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
