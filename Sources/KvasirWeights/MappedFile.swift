#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A file mapped read-only into memory; unmapped when the object goes.
///
/// Only the pages that are read take memory, and the system may drop them again at any time. The file must not be
/// shortened while it is mapped: POSIX answers a read beyond the new end with a signal.
public final class MappedFile: WeightStorage, @unchecked Sendable {
    // Unchecked because a raw pointer is not Sendable; nobody writes to the mapping.

    /// The path as given.
    public let path: String

    /// The file's contents; valid while this object lives.
    public let bytes: UnsafeRawBufferPointer

    /// Maps a regular file; an empty one gives empty `bytes`.
    ///
    /// - Throws: `MappedFileError` if there is no such file, it is not a regular file, or it cannot be read.
    public convenience init(path: String) throws(MappedFileError) {
        guard !path.utf8.contains(0) else {
            throw MappedFileError(path: path, problem: "a path cannot contain a zero byte")
        }
        // Non-blocking, so that opening a named pipe does not wait for its writer; regular files ignore the flag.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw MappedFileError(path: path, code: errno) }
        defer { close(descriptor) }
        try self.init(descriptor: descriptor, path: path)
    }

    /// Maps a regular file that is open for reading, and leaves it open; an empty one gives empty `bytes`.
    ///
    /// - Parameters:
    ///   - descriptor: the open file.
    ///   - path: what the file is called, for messages.
    /// - Throws: `MappedFileError` if it is not a regular file, or cannot be mapped.
    public init(descriptor: Int32, path: String) throws(MappedFileError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw MappedFileError(path: path, code: errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw MappedFileError(path: path, problem: "is a directory")
        default: throw MappedFileError(path: path, problem: "is not a regular file")
        }
        guard let size = Int(exactly: status.st_size), size >= 0 else {
            throw MappedFileError(path: path, problem: "has \(status.st_size) bytes, more than this machine addresses")
        }
        if size == 0 {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
        } else {
            guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
                throw MappedFileError(path: path, code: errno)
            }
            bytes = UnsafeRawBufferPointer(start: address, count: size)
        }
        self.path = path
    }

    deinit {
        if let address = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
        }
    }

    /// Gives back the memory of the whole pages inside `range`; reading them again loads them from the file.
    ///
    /// For weights that have been copied into another layout and will not be read again.
    ///
    /// - Precondition: `range` lies within the file.
    public func releasePages(in range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "range outside the file")
        let page = Int(getpagesize())
        let start = (range.lowerBound + page - 1) / page * page
        // The last page of the file belongs to the mapping as a whole.
        let end = range.upperBound == bytes.count ? range.upperBound : range.upperBound / page * page
        guard start < end, let base = bytes.baseAddress else { return }
        // Advice only: if the system does not follow it, the pages stay.
        _ = madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, MADV_DONTNEED)
    }
}

/// A file that cannot be mapped.
public struct MappedFileError: Error, Hashable, CustomStringConvertible {
    /// The path as given.
    public let path: String
    /// What is wrong, in the system's words where the system refused.
    public let problem: String

    init(path: String, problem: String) {
        self.path = path
        self.problem = problem
    }

    init(path: String, code: Int32) {
        let text = strerror(code).map { String(cString: $0) } ?? "error \(code)"
        self.init(path: path, problem: "cannot be read: \(text)")
    }

    /// One line: what was received, and what to do.
    public var description: String { onOneLine("\(path): \(problem); give the path of a readable file") }
}
