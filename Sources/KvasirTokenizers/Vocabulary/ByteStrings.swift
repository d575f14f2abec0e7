/// Byte strings that are read from first to last, wherever they lie: in a mapped file, or in an array.
///
/// A vocabulary has hundreds of thousands of them. They are visited in place, so that loading one holds no copy of each.
public struct ByteStrings: Sendable {
    /// Visits one string; returns whether to go on.
    public typealias Visitor = (UnsafeBufferPointer<UInt8>) -> Bool

    /// The number of strings.
    public let count: Int

    private let source: @Sendable (Visitor) -> Void

    /// Strings that `source` knows how to visit.
    ///
    /// - Parameters:
    ///   - count: how many there are.
    ///   - source: calls the visitor with every string in order until it returns false; called any number of times.
    public init(count: Int, source: @escaping @Sendable (Visitor) -> Void) {
        self.count = count
        self.source = source
    }

    /// Strings that are in memory as such.
    public init(_ strings: [String]) {
        self.init(count: strings.count) { visit in
            for string in strings {
                var string = string
                guard string.withUTF8(visit) else { return }
            }
        }
    }

    /// Calls `body` with the position and the bytes of every string.
    func forEach<Failure: Error>(_ body: (Int, UnsafeBufferPointer<UInt8>) throws(Failure) -> Void) throws(Failure) {
        var index = 0
        var failure: Failure?
        source { bytes in
            // A source that gives more than it said is a mistake here, and must not reach past a table's end.
            guard index < count else { return false }
            do throws(Failure) {
                try body(index, bytes)
            } catch {
                failure = error
                return false
            }
            index += 1
            return true
        }
        if let failure { throw failure }
        precondition(index == count, "a source gives as many strings as it says")
    }
}

extension ByteStrings: ExpressibleByArrayLiteral {
    /// The strings of a literal.
    public init(arrayLiteral elements: String...) { self.init(elements) }
}
