import NIOCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file being written from its end, closed when it goes out of scope.
struct FileSink: ~Copyable {
    let path: String
    private let descriptor: CInt
    /// Bytes in the file so far.
    private(set) var count: Int64

    /// Opens a file for appending and creates it if it is not there.
    init(appendingTo path: String) throws(HubError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .file(errno, action: "open", path: path) }
        self.path = path
        self.descriptor = descriptor
        var status = stat()
        self.count = fstat(descriptor, &status) == 0 ? Int64(status.st_size) : 0
    }

    deinit { close(descriptor) }

    /// Drops what is in the file.
    mutating func removeAll() throws(HubError) {
        guard count > 0 else { return }
        guard ftruncate(descriptor, 0) == 0 else { throw .file(errno, action: "truncate", path: path) }
        count = 0
    }

    /// Writes all of `bytes`.
    mutating func write(_ bytes: ByteBuffer) throws(HubError) {
        try check(bytes.withUnsafeReadableBytes { append($0) })
    }

    /// Writes all of `bytes`.
    mutating func write(_ bytes: [UInt8]) throws(HubError) {
        try check(bytes.withUnsafeBytes { append($0) })
    }

    /// Waits until the bytes are on the disk, so that a rename cannot get ahead of them.
    func synchronize() throws(HubError) {
        try check(fsync(descriptor) == 0 ? 0 : errno)
    }

    private func check(_ failure: CInt) throws(HubError) {
        if failure != 0 { throw .file(failure, action: "write", path: path) }
    }

    /// Writes all of `bytes`; returns the `errno` of a failure, or 0.
    private mutating func append(_ bytes: UnsafeRawBufferPointer) -> CInt {
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            let written = systemWrite(descriptor, start, rest.count)
            if written < 0 {
                if errno == EINTR { continue }
                return errno
            }
            count += Int64(written)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
        return 0
    }
}

/// `write(2)`, which the methods of the same name hide.
private func systemWrite(_ descriptor: CInt, _ start: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, start, count)
}

/// Replaces a small file in one step, so that no reader sees half of it.
func replaceFile(_ path: String, with bytes: [UInt8]) throws(HubError) {
    let temporary = path + ".new"
    try removeTree(temporary)
    try writeFile(temporary, bytes)
    try renameFile(temporary, to: path)
}

private func writeFile(_ path: String, _ bytes: [UInt8]) throws(HubError) {
    var sink = try FileSink(appendingTo: path)
    try sink.write(bytes)
    try sink.synchronize()
}

/// Waits until a file somebody else wrote is on the disk.
func synchronizeFile(_ path: String) throws(HubError) {
    let sink = try FileSink(appendingTo: path)
    try sink.synchronize()
}
