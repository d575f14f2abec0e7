import ArgumentParser
import KvasirEvaluation

/// `kvasir report`: results as a page.
struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turns result files into one HTML page.",
        discussion: """
            The files are what --output of 'kvasir evaluate' and 'kvasir bench' wrote, in any number and mixture. Results \
            that were measured under the same settings share a picture. The page needs no network and no script.
            """)

    @Argument(help: ArgumentHelp("Result files.", valueName: "file"), completion: .file())
    var files: [String]

    @Option(
        name: [.customLong("output"), .customShort("o")],
        help: ArgumentHelp("Where the page goes; '-' is standard output.", valueName: "file"), completion: .file())
    var output = "report.html"

    func run() throws {
        if output != "-" { try EvaluationFile.checkWritable(output) }
        let sources = try files.map { try ReportSource(path: $0) }
        let page = try EvaluationReport(sources).html
        if output == "-" {
            Console.write(page)
            try Console.check()
        } else {
            try EvaluationFile.write(Array(page.utf8), to: output)
            Console.note("kvasir: \(files.count) result file\(files.count == 1 ? "" : "s") in \(output)")
        }
    }
}
