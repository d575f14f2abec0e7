/// Memory for `count` elements, aligned to a cache line, owned by one value and freed exactly once.
///
/// The alignment of 64 bytes is what the widest vector loads need and keeps two threads' buffers off the same line.
public struct AlignedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
    /// Where the elements start; valid as long as this value lives.
    public let pointer: UnsafeMutablePointer<Element>
    /// The number of elements.
    public let count: Int

    /// Alignment of every buffer, in bytes.
    public static var alignment: Int { 64 }

    /// Allocates `count` elements, all bytes zero.
    ///
    /// - Precondition: `count` is not negative, and `count` elements fit in the address space.
    /// - Complexity: O(count)
    public init(zeroed count: Int) {
        precondition(count >= 0, "a buffer has no negative size")
        let byteCount = Swift.max(count * MemoryLayout<Element>.stride, 1)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: Self.alignment)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        self.pointer = memory.assumingMemoryBound(to: Element.self)
        self.count = count
    }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }

    /// The size in bytes.
    public var byteCount: Int { count * MemoryLayout<Element>.stride }

    /// Reads or writes one element.
    public subscript(index: Int) -> Element {
        get {
            precondition(index >= 0 && index < count, "index \(index) is outside 0..<\(count)")
            return pointer[index]
        }
        set {
            precondition(index >= 0 && index < count, "index \(index) is outside 0..<\(count)")
            pointer[index] = newValue
        }
    }

    /// The elements as an unsafe buffer, valid as long as this value lives.
    public var elements: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: pointer, count: count)
    }

    /// Makes room for at least `count` elements; the contents are lost if it has to grow.
    public mutating func reserve(_ count: Int) {
        guard count > self.count else { return }
        self = AlignedBuffer(zeroed: Swift.max(count, self.count + self.count / 2))
    }
}
