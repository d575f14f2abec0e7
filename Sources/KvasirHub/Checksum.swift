import Crypto

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// SHA-256 as lowercase hexadecimal.
enum Checksum {
    /// Hashes a short text.
    static func sha256(of text: String) -> String {
        hexadecimal(SHA256.hash(data: Array(text.utf8)))
    }

    /// Hashes a file, a megabyte in memory at a time.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - progress: Called with the bytes done so far.
    /// - Returns: 64 hexadecimal digits.
    /// - Throws: `HubError` if the file cannot be read.
    static func sha256(ofFile path: String, progress: (Int64) -> Void) throws(HubError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(errno, action: "open", path: path) }
        defer { close(descriptor) }
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { chunk.deallocate() }
        var hash = SHA256()
        var done: Int64 = 0
        while true {
            let count = read(descriptor, chunk.baseAddress, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw .file(errno, action: "read", path: path)
            }
            if count == 0 { return hexadecimal(hash.finalize()) }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: chunk[..<count]))
            done += Int64(count)
            progress(done)
        }
    }

    /// Whether `text` is a SHA-256 in hexadecimal.
    static func isSHA256(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 64 && text.allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    private static func hexadecimal(_ digest: SHA256Digest) -> String {
        let digits = Array("0123456789abcdef")
        return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}

/// Compares a finished file with the hash it should have, and removes it if they differ.
///
/// - Parameters:
///   - path: The file.
///   - expected: The SHA-256 it should have, in hexadecimal.
///   - name: The model, for the error.
///   - progress: Called with the bytes done so far.
/// - Throws: `HubError` if they differ, or the file cannot be read.
func verify(_ path: String, sha256 expected: String, name: String, progress: (Int64) -> Void) throws(HubError) {
    let found = try Checksum.sha256(ofFile: path, progress: progress)
    guard found == expected.lowercased() else {
        try removeTree(path)
        throw HubError(
            .hashMismatch, received: "\(name) arrived with SHA-256 \(found) instead of \(expected)",
            remedy: "the file was removed; pull again, and report it if the hash is wrong a second time")
    }
}
