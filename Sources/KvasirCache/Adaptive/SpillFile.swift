internal import Foundation
internal import KvasirCodecs
internal import KvasirNumerics

/// Bit-planes of a sequence in a temporary file that is mapped into memory: the system writes it out and reads it back as it
/// sees fit.
///
/// The file has no name from the start, so nothing stays behind whatever happens. Room is made before it is needed, because
/// a mapping of a full disk could not report that.
final class SpillFile {
    private let descriptor: Int32
    private let slotBytes: Int
    private let slotsPerChunk: Int
    private let chunkBytes: Int
    private var chunks: [UnsafeMutableRawPointer] = []

    /// Chunks of the file are mapped one by one, so that addresses stay.
    private static let chunk = 4 << 20
    /// A multiple of the page sizes of all systems.
    private static let granule = 64 << 10

    /// Creates a file.
    ///
    /// - Parameters:
    ///   - slotBytes: what is kept of one page.
    ///   - directory: where; what the system says is for temporary files, as a rule.
    /// - Throws: `CacheError` if the system does not let it.
    init(
        slotBytes: Int, in directory: String = FileManager.default.temporaryDirectory.path
    ) throws(CacheError) {
        self.slotBytes = slotBytes
        slotsPerChunk = max(Self.chunk / slotBytes, 1)
        chunkBytes = (slotsPerChunk * slotBytes + Self.granule - 1) / Self.granule * Self.granule
        var template = Array("\(directory)/kvasir-planes-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Self.failure("create a file in", directory, errno) }
        unlink(template)
    }

    deinit {
        for chunk in chunks { munmap(chunk, chunkBytes) }
        close(descriptor)
    }

    /// Bytes of the file.
    var bytes: Int { chunks.count * chunkBytes }

    /// Makes room for the slots of `pages` pages.
    ///
    /// - Throws: `CacheError` if the disk or the address space is full.
    func reserve(pages: Int) throws(CacheError) {
        while chunks.count * slotsPerChunk < pages {
            let offset = off_t(chunks.count * chunkBytes)
            #if os(Linux)
            let error = posix_fallocate(descriptor, offset, off_t(chunkBytes))
            #else
            let error = ftruncate(descriptor, offset + off_t(chunkBytes)) == 0 ? 0 : errno
            #endif
            guard error == 0 else { throw Self.failure("make room in", "the file of dropped planes", error) }
            let chunk = mmap(nil, chunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, offset)
            guard let chunk, chunk != MAP_FAILED else { throw Self.failure("map", "the file of dropped planes", errno) }
            chunks.append(chunk)
        }
    }

    /// Where the planes of a page are kept.
    func slot(page: Int) -> UnsafeMutableRawPointer {
        chunks[page / slotsPerChunk] + page % slotsPerChunk * slotBytes
    }

    private static func failure(_ action: String, _ what: String, _ error: Int32) -> CacheError {
        CacheError(
            .spillFailed, received: "cannot \(action) \(what): \(String(cString: strerror(error)))",
            detail: "make room there, let TMPDIR name another directory, or write qaq/monotone")
    }
}
