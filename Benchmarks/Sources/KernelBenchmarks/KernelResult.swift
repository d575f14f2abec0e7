internal import KvasirNumerics

/// What one kernel did, beside what the machine permits.
package struct KernelResult: Sendable, Encodable {
    /// The kernel: `score`, `mix`, `encode keys`, `encode values`, `attention` or `linear`.
    package let kernel: String
    /// The codec's canonical name, or the weight format.
    package let format: String
    package let instructionSet: String
    /// Query rows that share a pass over the cache, or tokens that share one over the weights.
    package let rows: Int
    /// Stored values (cached ones, or weights) a second, each counted once however many rows use it; median.
    package let valuesPerSecond: Double
    /// Packed bytes a second, scales included; median.
    package let bytesPerSecond: Double
    /// The limit that is reached first.
    package let limit: String
    /// Values a second at that limit.
    package let limitValuesPerSecond: Double
    /// The share of the limit, by the median and by the fastest run.
    package let share: Double
    package let bestShare: Double

    init(
        kernel: String, format: String, instructionSet: InstructionSet, rows: Int, values: Int, bytes: Int,
        timing: Timing, limit: Limit
    ) {
        self.kernel = kernel
        self.format = format
        self.instructionSet = instructionSet.rawValue
        self.rows = rows
        valuesPerSecond = Double(values) / timing.median
        bytesPerSecond = Double(bytes) / timing.median
        self.limit = limit.name
        limitValuesPerSecond = Double(values) / limit.seconds
        share = limit.seconds / timing.median
        bestShare = limit.seconds / timing.fastest
    }

    /// The head of the table that `line` is a row of.
    package static let heading = """
        | kernel | format | ISA | rows | Gvalues/s | GB/s | limit | Gvalues/s there | share | at best |
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
        """

    /// A row of a table.
    package var line: String {
        let cells = [
            kernel, format, instructionSet, "\(rows)", (valuesPerSecond / 1e9).rounded(toPlaces: 3),
            (bytesPerSecond / 1e9).rounded(toPlaces: 2), limit, (limitValuesPerSecond / 1e9).rounded(toPlaces: 3),
            "\((share * 100).rounded(toPlaces: 1)) %", "\((bestShare * 100).rounded(toPlaces: 1)) %",
        ]
        return "| \(cells.joined(separator: " | ")) |"
    }
}
