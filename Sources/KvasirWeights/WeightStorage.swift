/// Memory that tensors lie in: a mapped file, or a buffer.
///
/// The bytes never change and stay at their address while the object lives.
public protocol WeightStorage: AnyObject, Sendable {
    /// All bytes; valid while the storage lives.
    var bytes: UnsafeRawBufferPointer { get }

    /// Lets the system take back the memory behind a range of `bytes` that will not be read soon.
    ///
    /// The bytes stay readable and keep their values; reading them may be slower the first time.
    func releasePages(in range: Range<Int>)
}

/// Weights held in ordinary memory, for tensors that come from no file.
public final class WeightBuffer: WeightStorage, @unchecked Sendable {
    // Unchecked because a raw pointer is not Sendable; the memory is written in `init` only.

    /// The copied bytes; valid while this object lives.
    public let bytes: UnsafeRawBufferPointer

    /// Copies `source`; the copy is aligned to 64 bytes.
    public init(copying source: UnsafeRawBufferPointer) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
        memory.copyMemory(from: source)
        bytes = UnsafeRawBufferPointer(memory)
    }

    deinit { bytes.deallocate() }

    /// Does nothing: there is no file the bytes could be read from again.
    public func releasePages(in range: Range<Int>) {}
}
