import ArgumentParser
import Foundation
import KvasirModels

/// How linear layers multiply, as an option.
enum LinearOption: String, ExpressibleByArgument, CaseIterable {
    case int8, float32

    var precision: LinearPrecision {
        switch self {
        case .int8: .int8
        case .float32: .float32
        }
    }
}

/// A text to evaluate on.
enum TextFile {
    /// Reads a file, a pipe or a device.
    static func read(_ path: String) throws(CommandFailure) -> [UInt8] {
        do {
            return try Array(FileHandle(forReadingFrom: URL(filePath: path)).readToEnd() ?? Data())
        } catch {
            throw CommandFailure(message: "cannot read \(path): \(error.localizedDescription)")
        }
    }
}

/// A line on the terminal that is drawn again after every chunk.
struct EvaluationProgress {
    private let start = ContinuousClock.now

    func update(chunk: Int, of count: Int, detail: String = "") {
        guard Console.errorIsTerminal else { return }
        let left = (ContinuousClock.now - start) / chunk * (count - chunk)
        Console.draw("\r\u{1B}[Kchunk \(chunk) of \(count): \(detail)\(left.spoken) left")
    }

    func finish() {
        if Console.errorIsTerminal { Console.draw("\r\u{1B}[K") }
    }
}
