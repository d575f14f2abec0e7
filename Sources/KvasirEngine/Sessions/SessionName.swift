/// What a session is called: a name that is a file's in one directory and nothing else.
public struct SessionName: Sendable, Hashable, CustomStringConvertible {
    /// The name.
    public let text: String

    /// The most bytes of a name.
    public static let longest = 100

    /// Checks a name: letters and digits of ASCII, '-', '_' and '.', which is not the first.
    ///
    /// - Throws: `SessionError`.
    public init(_ text: String) throws(SessionError) {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard !text.isEmpty, text.utf8.count <= Self.longest, isPlain, !text.hasPrefix(".") else {
            let shown = String(
                decoding: text.utf8.prefix(40).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
            throw SessionError(
                .badName, received: "session '\(shown)' (\(text.utf8.count) bytes)",
                remedy: "give 1 to \(Self.longest) letters, digits, '-', '_' and '.', which is not the first")
        }
        self.text = text
    }

    /// The name.
    public var description: String { text }
}
