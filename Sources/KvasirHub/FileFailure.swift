import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension HubError {
    /// Turns the `errno` of a failed file operation into an error a user can act on.
    ///
    /// - Parameters:
    ///   - code: The value of `errno`.
    ///   - action: What failed, as in "cannot *write*".
    ///   - path: The file or directory.
    /// - Returns: The error to throw.
    static func file(_ code: CInt, action: String, path: String) -> HubError {
        let received = "cannot \(action) \(path): \(String(cString: strerror(code)))"
        switch code {
        case ENOSPC, EDQUOT:
            return HubError(
                .diskFull, received: received,
                remedy: "free some space, or point XDG_CACHE_HOME at a larger file system")
        case EACCES, EPERM, EROFS, ENOTDIR:
            return HubError(
                .directoryNotWritable, received: received,
                remedy: "make the directory writable, or point XDG_CACHE_HOME at one that is")
        default:
            return HubError(.fileFailed, received: received, remedy: "check the file system and try again")
        }
    }
}

/// Creates a directory and those above it; does nothing if it is there.
func createDirectories(_ path: String) throws(HubError) {
    if mkdir(path, 0o777) == 0 { return }
    var failure = errno
    if failure == ENOENT {
        let parent = (path as NSString).deletingLastPathComponent
        if !parent.isEmpty, parent != path {
            try createDirectories(parent)
            if mkdir(path, 0o777) == 0 { return }
            failure = errno
        }
    }
    var isDirectory: ObjCBool = false
    if failure == EEXIST, FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
        if isDirectory.boolValue { return }
        failure = ENOTDIR
    }
    throw .file(failure, action: "create the directory", path: path)
}

/// Moves a file over another name of the same file system in one step.
func renameFile(_ source: String, to target: String) throws(HubError) {
    guard rename(source, target) == 0 else { throw .file(errno, action: "move the finished file to", path: target) }
}

/// Removes a file or a whole directory; does nothing if it is not there.
func removeTree(_ path: String) throws(HubError) {
    do {
        try FileManager.default.removeItem(atPath: path)
    } catch {
        // The status of the link itself: a dangling link is still there and must not be taken for removed.
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        throw .file(EACCES, action: "remove", path: path)
    }
}

/// Returns the size of a regular file, links followed; nil if there is none.
func regularFileSize(_ path: String) -> Int64? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int64(status.st_size)
}
