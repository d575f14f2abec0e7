/// An array of byte strings in two allocations: a vocabulary has a hundred thousand of them.
public struct GGUFStrings: Sendable, Hashable, RandomAccessCollection {
    private var contents: [UInt8] = []
    private var ends: [Int] = []

    init() {}

    /// Joins `strings`.
    public init(_ strings: some Sequence<some Sequence<UInt8>>) {
        for string in strings {
            contents.append(contentsOf: string)
            ends.append(contents.count)
        }
    }

    mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>) {
        contents.append(contentsOf: bytes)
        ends.append(contents.count)
    }

    /// The position of the first string: 0.
    public var startIndex: Int { 0 }

    /// The number of strings.
    public var endIndex: Int { ends.count }

    /// The bytes of the string at `position`, which need not be valid UTF-8.
    public subscript(position: Int) -> ArraySlice<UInt8> {
        contents[(position == 0 ? 0 : ends[position - 1])..<ends[position]]
    }
}
