internal import Foundation

/// A number of bytes that prints itself for people: "46.0 MiB".
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
}
