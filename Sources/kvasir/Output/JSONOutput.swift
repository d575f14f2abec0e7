import Foundation

/// Machine-readable output: one object on one line, keys in alphabetical order, every number finite.
enum JSONOutput {
    static func write(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        let data: Data
        do {
            data = try encoder.encode(value)
        } catch {
            throw CommandFailure(message: "the result holds a number that is not finite and cannot be written as JSON")
        }
        Console.write(String(decoding: data, as: UTF8.self) + "\n")
        try Console.check()
    }
}
