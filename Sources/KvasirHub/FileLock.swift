#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An exclusive advisory lock on a file.
///
/// It excludes other processes and other tasks of this one, and the system releases it when a process dies.
struct FileLock: ~Copyable {
    private let path: String
    private let descriptor: CInt

    /// Waits for the lock and holds it while `body` runs.
    ///
    /// - Parameters:
    ///   - path: The lock file; created if it is not there, removed afterwards.
    ///   - onWait: Called once if somebody else holds the lock.
    ///   - body: What nobody else may do meanwhile.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws, and `HubError` if the file cannot be locked or the task is cancelled meanwhile.
    static func withLock<Value>(
        _ path: String, onWait: () -> Void, _ body: () async throws(HubError) -> Value
    ) async throws(HubError) -> Value {
        let lock = try await acquire(path, onWait: onWait)
        let outcome: Result<Value, HubError>
        do throws(HubError) { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        lock.release()
        return try outcome.get()
    }

    private static func acquire(_ path: String, onWait: () -> Void) async throws(HubError) -> FileLock {
        var hasWaited = false
        while true {
            if let lock = try tryAcquire(path) { return lock }
            if !hasWaited {
                hasWaited = true
                onWait()
            }
            do {
                // Polling, because a blocking wait would hold a thread of the concurrency pool.
                try await Task.sleep(for: .milliseconds(100))
            } catch {
                throw HubError(
                    .interrupted, received: "stopped while another process was fetching the same model",
                    remedy: "run the command again")
            }
        }
    }

    /// Takes the lock if nobody holds it.
    private static func tryAcquire(_ path: String) throws(HubError) -> FileLock? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .file(errno, action: "open the lock file", path: path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let failure = errno
            close(descriptor)
            if failure == EWOULDBLOCK || failure == EINTR { return nil }
            throw .file(failure, action: "lock", path: path)
        }
        // The previous owner removes the file, so the lock counts only if the name still leads to what was locked.
        var locked = stat()
        var named = stat()
        guard fstat(descriptor, &locked) == 0, stat(path, &named) == 0, locked.st_ino == named.st_ino else {
            close(descriptor)
            return nil
        }
        return FileLock(path: path, descriptor: descriptor)
    }

    private consuming func release() {
        // The name goes first: whoever opened the file meanwhile then sees that it is no longer the lock.
        unlink(path)
        close(descriptor)
    }
}
