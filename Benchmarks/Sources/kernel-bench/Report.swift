import Foundation
import KernelBenchmarks

/// A measured limit of the machine.
struct MachineFigure: Encodable {
    let resource: String
    let operationsPerSecond: Double
    let unit: String
}

/// Prints a table as it is measured, or one JSON object at the end.
final class Report {
    private let isJSON: Bool
    private var document: Document
    private var openTable: String?

    private struct Document: Encodable {
        let threads: Int
        var limits: [MachineFigure] = []
        var kernels: [KernelResult] = []
    }

    init(isJSON: Bool, threads: Int) {
        self.isJSON = isJSON
        document = Document(threads: threads)
    }

    func add(_ figure: MachineFigure) {
        document.limits.append(figure)
        let figures = (figure.operationsPerSecond / 1e9).rounded(toPlaces: 1)
        show("| \(figure.resource) | \(figures) \(figure.unit) |", under: "| limit | rate |\n| --- | --- |")
    }

    func add(_ results: [KernelResult]) {
        document.kernels += results
        for result in results { show(result.line, under: KernelResult.heading) }
    }

    /// Says what is not measured, and why.
    func leaveOut(_ reason: String) {
        FileHandle.standardError.write(Data("left out: \(reason)\n".utf8))
    }

    func finish() throws {
        guard isJSON else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try FileHandle.standardOutput.write(contentsOf: encoder.encode(document) + Data("\n".utf8))
    }

    private func show(_ line: String, under heading: String) {
        guard !isJSON else { return }
        if openTable != heading {
            write((openTable == nil ? "" : "\n") + "\(document.threads) threads\n\n" + heading)
            openTable = heading
        }
        write(line)
    }

    private func write(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}
