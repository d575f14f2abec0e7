#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// Memory for many buffers that live as long as each other, taken from the system in one piece.
///
/// Large pages where the system offers them: weights are read from front to back for every token, and with pages of
/// 2 MiB a sixth more of them arrives per second than with pages of 4 KiB. Only what is written takes memory.
public final class MemoryArena: @unchecked Sendable {  // filled by one thread, then read by all
    /// The most bytes all buffers may take together, their alignment included.
    public let capacity: Int
    /// Bytes handed out.
    public private(set) var used = 0

    private let base: UnsafeMutableRawPointer
    private let mapping: (address: UnsafeMutableRawPointer, bytes: Int)

    private static let largePage = 2 << 20
    private static let alignment = 64

    /// Bytes that a buffer of `bytes` bytes takes of the capacity.
    public static func footprint(of bytes: Int) -> Int { (bytes + alignment - 1) / alignment * alignment }

    /// Reserves addresses for `capacity` bytes; nil if the system has none left.
    public init?(capacity: Int) {
        precondition(capacity >= 0, "an arena has no negative size")
        let (bytes, overflow) = Swift.max(capacity, 1).addingReportingOverflow(Self.largePage)
        guard !overflow,
            let address = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            address != MAP_FAILED
        else { return nil }
        let start = (Int(bitPattern: address) + Self.largePage - 1) / Self.largePage * Self.largePage
        base = address + (start - Int(bitPattern: address))
        mapping = (address, bytes)
        self.capacity = capacity
        #if os(Linux)
        // Advice only: without large pages everything works as before.
        _ = madvise(base, capacity, Int32(MADV_HUGEPAGE))
        #endif
    }

    deinit { munmap(mapping.address, mapping.bytes) }

    /// Hands out `bytes` bytes, all zero, aligned to 64; valid while the arena lives.
    ///
    /// - Precondition: they fit the capacity.
    public func allocate(_ bytes: Int) -> UnsafeMutableRawPointer {
        let size = Self.footprint(of: bytes)
        precondition(bytes >= 0 && size <= capacity - used, "the arena was made for less")
        defer { used += size }
        return base + used
    }
}
