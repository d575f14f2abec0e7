internal import Crypto
internal import Foundation

/// Files that evaluations read and write.
public enum EvaluationFile {
    /// Reads a whole file, a pipe or a device.
    ///
    /// - Throws: `EvaluationError` with the reason.
    public static func read(_ path: String) throws(EvaluationError) -> [UInt8] {
        do {
            return Array(try FileHandle(forReadingFrom: URL(filePath: path)).readToEnd() ?? Data())
        } catch {
            throw EvaluationError(received: "cannot read \(path)", remedy: reason(error))
        }
    }

    /// Writes a whole file, which is there as a whole or as it was before.
    ///
    /// - Throws: `EvaluationError` with the reason.
    public static func write(_ bytes: [UInt8], to path: String) throws(EvaluationError) {
        do {
            try Data(bytes).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw EvaluationError(received: "cannot write \(path)", remedy: reason(error))
        }
    }

    /// Checks that a file could be written, before hours go into what it is to hold.
    ///
    /// - Throws: `EvaluationError` if it is a folder, or its folder is missing or closed to writing.
    public static func checkWritable(_ path: String) throws(EvaluationError) {
        let url = URL(filePath: path).standardizedFileURL
        let folder = url.deletingLastPathComponent().path(percentEncoded: false)
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw EvaluationError(received: "cannot write \(path)", remedy: "it is a folder; name a file")
        }
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw EvaluationError(
                received: "cannot write \(path)", remedy: "there is no folder \(folder); create it first")
        }
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw EvaluationError(received: "cannot write \(path)", remedy: "the folder \(folder) is closed to writing")
        }
    }

    /// SHA-256 of some bytes, in hexadecimal.
    public static func sha256(_ bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

    /// SHA-256 of a file, in hexadecimal; a megabyte of it in memory at a time.
    ///
    /// - Throws: `EvaluationError` if it cannot be read.
    public static func sha256(ofFile path: String) throws(EvaluationError) -> String {
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            var hash = SHA256()
            while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty { hash.update(data: piece) }
            return hexadecimal(hash.finalize())
        } catch {
            throw EvaluationError(received: "cannot read \(path)", remedy: reason(error))
        }
    }

    private static func hexadecimal(_ digest: SHA256Digest) -> String {
        let digits = Array("0123456789abcdef")
        return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private static func reason(_ error: any Error) -> String {
        let underlying = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
        let system = [error as NSError, underlying].compactMap { $0 }.first { $0.domain == NSPOSIXErrorDomain }
        return system.map { String(cString: strerror(Int32($0.code))) } ?? error.localizedDescription
    }
}
