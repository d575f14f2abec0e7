internal import Foundation

/// A number of bytes that prints itself for people, "46.0 MiB", and reads what people write.
public struct ByteCount: Sendable, Hashable, CustomStringConvertible {
    /// The number of bytes.
    public let bytes: Int

    /// Creates a byte count.
    public init(_ bytes: Int) { self.bytes = bytes }

    /// The count in the largest unit of 1,024 that leaves at least one before the point.
    public var description: String {
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        while value.magnitude >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(bytes) bytes" : "\(String(format: "%.1f", value)) \(units[unit])"
    }
    /// Parses a number of bytes: `512MiB`, `2 GiB`, `1.5g`, `64MB`, `1048576`.
    ///
    /// `KiB`, `MiB`, `GiB`, `TiB` and the bare letters are powers of 1,024; `kB`, `MB`, `GB`, `TB` are powers of 1,000.
    /// Case does not matter.
    ///
    /// - Throws: `ByteCountError` if the text is none, or not a whole positive number of bytes that fits in `Int`.
    public init(parsing text: String) throws(ByteCountError) {
        let trimmed = text.lowercased().filter { $0 != " " }
        let number = trimmed.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = trimmed.dropFirst(number.count)
        guard let value = Double(number), let factor = Self.factors[String(unit)] else {
            throw ByteCountError(received: text)
        }
        guard let bytes = Int(exactly: (value * factor).rounded(.down)), bytes > 0 else {
            throw ByteCountError(received: text)
        }
        self.init(bytes)
    }

    private static let factors: [String: Double] = {
        var factors = ["": 1.0, "b": 1.0, "byte": 1.0, "bytes": 1.0]
        for (power, letter) in ["k", "m", "g", "t"].enumerated() {
            let binary = pow(1024, Double(power + 1))
            factors[letter] = binary
            factors[letter + "ib"] = binary
            factors[letter + "b"] = pow(1000, Double(power + 1))
        }
        return factors
    }()
}

/// A text that is not a number of bytes.
public struct ByteCountError: Error, Equatable, CustomStringConvertible {
    /// The text.
    public let received: String

    /// One line: what was received, and what to do.
    public var description: String {
        "'\(received)' is not a number of bytes: write for example 512MiB, 2GiB or 1048576"
    }
}
