/// An array of byte strings, read where it lies: a vocabulary has hundreds of thousands of them.
///
/// Keeps the memory it lies in alive.
public struct GGUFStrings: Sendable, Hashable, Sequence {
    /// The number of strings.
    public let count: Int

    private let storage: any WeightStorage
    /// Where the length of the first string lies in `storage`.
    private let start: Int

    /// Strings whose lengths have been checked against the end of `storage`.
    init(count: Int, storage: any WeightStorage, start: Int) {
        self.count = count
        self.storage = storage
        self.start = start
    }

    /// Joins `strings`.
    public init(_ strings: some Sequence<some Sequence<UInt8>>) {
        var contents: [UInt8] = []
        var count = 0
        for string in strings {
            let bytes = Array(string)
            Swift.withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { contents.append(contentsOf: $0) }
            contents.append(contentsOf: bytes)
            count += 1
        }
        self.init(count: count, storage: contents.withUnsafeBytes { WeightBuffer(copying: $0) }, start: 0)
    }

    /// Goes through the strings from the first to the last.
    public struct Iterator: IteratorProtocol {
        fileprivate let storage: any WeightStorage
        fileprivate var remaining: Int
        fileprivate var offset: Int

        /// The bytes of the next string, which need not be valid UTF-8; valid while the array lives.
        public mutating func next() -> UnsafeRawBufferPointer? {
            guard remaining > 0 else { return nil }
            remaining -= 1
            let bytes = storage.bytes
            let start = offset + MemoryLayout<UInt64>.size
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset = start + length
            return UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
        }
    }

    /// An iterator that begins at the first string.
    public func makeIterator() -> Iterator { Iterator(storage: storage, remaining: count, offset: start) }

    /// The number of strings.
    public var underestimatedCount: Int { count }

    /// Whether two arrays hold the same strings.
    public static func == (left: GGUFStrings, right: GGUFStrings) -> Bool {
        left.count == right.count && zip(left, right).allSatisfy { $0.elementsEqual($1) }
    }

    /// Hashes the strings.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        for string in self { hasher.combine(bytes: string) }
    }
}
