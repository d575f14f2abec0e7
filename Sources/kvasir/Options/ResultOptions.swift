import ArgumentParser
import KvasirEvaluation

/// Where a result goes.
struct ResultOptions: ParsableArguments {
    @Flag(help: "Prints one JSON object, a result that 'kvasir report' reads.")
    var json = false

    @Option(
        help: ArgumentHelp("Writes the same object to a file, besides what is printed.", valueName: "file"),
        completion: .file())
    var output: String?

    /// Checks that the file could be written, before hours go into what it is to hold.
    func check() throws(EvaluationError) {
        if let output { try EvaluationFile.checkWritable(output) }
    }

    /// Writes and prints a result.
    ///
    /// - Parameter text: the same for people.
    func deliver(_ document: ResultDocument, text: String) throws {
        if let output { try document.write(to: output) }
        Console.write(json ? String(decoding: try document.encoded(), as: UTF8.self) : text)
        try Console.check()
    }
}
