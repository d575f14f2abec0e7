#if Server
internal import Foundation

/// What marks an answer: its name and its time.
struct Identifier: Sendable, Hashable {
    let id: String
    /// Seconds since 1970.
    let created: Int

    init(prefix: String) {
        id = prefix + Self.random()
        created = Self.now
    }

    /// 128 random bits as hexadecimal digits.
    static func random() -> String {
        (0..<2).map { _ in
            let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// Seconds since 1970.
    static var now: Int { Int(Date().timeIntervalSince1970) }
}
#endif
