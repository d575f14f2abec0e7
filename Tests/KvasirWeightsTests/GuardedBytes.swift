import KvasirWeights
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Bytes that end where an inaccessible page begins, so that reading past them ends the test process.
final class GuardedBytes: WeightStorage, @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let region: UnsafeMutableRawBufferPointer

    init(_ contents: some Collection<UInt8>) throws {
        let page = Int(getpagesize())
        let usable = (contents.count + page - 1) / page * page
        let address = try #require(
            mmap(nil, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        try #require(address != MAP_FAILED)
        try #require(mprotect(address + usable, page, PROT_NONE) == 0)
        region = UnsafeMutableRawBufferPointer(start: address, count: usable + page)
        let start = usable - contents.count
        UnsafeMutableRawBufferPointer(rebasing: region[start..<usable]).copyBytes(from: contents)
        bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(region)[start..<usable])
    }

    deinit {
        if let address = region.baseAddress { munmap(address, region.count) }
    }

    func releasePages(in range: Range<Int>) {}
}
