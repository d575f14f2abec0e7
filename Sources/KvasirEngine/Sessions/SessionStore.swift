internal import Crypto
internal import Foundation
public import KvasirCache
internal import KvasirNumerics
internal import KvasirWeights

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// What is known of a session.
public struct SessionRecord: Sendable, Hashable {
    /// The name.
    public let name: SessionName
    /// Tokens that are cached in it.
    public let tokens: Int
    /// Bytes of its file.
    public let bytes: Int

    /// Describes a session.
    public init(name: SessionName, tokens: Int, bytes: Int) {
        self.name = name
        self.tokens = tokens
        self.bytes = bytes
    }
}

/// The sessions of one directory, a file each.
///
/// Files are opened relative to the directory and never through a symbolic link, so no name leads out of it. A file is
/// written under another name, flushed to the disk and then renamed: who reads sees all of it, or what was there before.
/// What a process that was killed has left unfinished is removed when the directory is opened.
public final class SessionStore: Sendable {
    /// The directory.
    public let path: String
    private let directory: Int32

    private static let suffix = ".session"
    private static let unfinishedSuffix = ".unfinished"

    /// Opens a directory, which is made if there is none.
    ///
    /// - Throws: `SessionError` if it cannot be used.
    public init(path: String) throws(SessionError) {
        func unusable(_ problem: String) -> SessionError {
            SessionError(
                .badDirectory, received: "session directory \(path): \(problem)",
                remedy: "name a directory that can be written")
        }
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw unusable(error.localizedDescription)
        }
        directory = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw unusable(Self.problem(errno)) }
        self.path = path
        guard faccessat(directory, ".", W_OK, 0) == 0 else { throw unusable(Self.problem(errno)) }
        removeUnfinished()
    }

    deinit { close(directory) }

    private static func problem(_ code: Int32) -> String {
        strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }

    private func fileName(_ name: SessionName) -> String { name.text + Self.suffix }

    // MARK: Writing

    /// Writes a session, in the place of one that has the name already.
    ///
    /// - Parameters:
    ///   - name: what it is called.
    ///   - snapshot: the pages.
    ///   - tokens: those of the pages.
    ///   - identity: what the pages depend on.
    /// - Throws: `SessionError` if it cannot be written; the session of that name is then what it was.
    public func save(
        _ name: SessionName, _ snapshot: CacheSnapshot, tokens: [Int32], identity: SessionIdentity
    ) throws(SessionError) -> SessionRecord {
        precondition(tokens.count == snapshot.tokens && !tokens.isEmpty, "a session is whole pages")
        let unfinished = ".\(UUID().uuidString)\(Self.unfinishedSuffix)"
        let descriptor = openat(directory, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.unwritable(name, errno, bytes: 0) }
        // Held while it is written, so that it is not taken for what a killed process has left.
        flock(descriptor, LOCK_EX | LOCK_NB)
        var isFinished = false
        defer {
            if !isFinished { unlinkat(directory, unfinished, 0) }
            close(descriptor)
        }
        let layout = snapshot.layout
        var hash = SHA256()
        let head = SessionFormat.head(identity, tokens: tokens, pageBytes: layout.byteCount)
        let total = head.count + layout.byteCount + SessionFormat.digestBytes
        func write(_ bytes: UnsafeRawBufferPointer) throws(SessionError) {
            hash.update(bufferPointer: bytes)
            try Self.write(bytes, to: descriptor, name, total)
        }
        try head.withUnsafeBufferPointer { (bytes) throws(SessionError) in try write(UnsafeRawBufferPointer(bytes)) }
        try snapshot.forEachPage { (bytes) throws(SessionError) in try write(bytes) }
        let digest = Array(hash.finalize())
        try digest.withUnsafeBufferPointer { (bytes) throws(SessionError) in
            try Self.write(UnsafeRawBufferPointer(bytes), to: descriptor, name, total)
        }
        guard fsync(descriptor) == 0, renameat(directory, unfinished, directory, fileName(name)) == 0 else {
            throw Self.unwritable(name, errno, bytes: total)
        }
        isFinished = true
        // The name, too, is to outlive a loss of power.
        fsync(directory)
        return SessionRecord(name: name, tokens: tokens.count, bytes: total)
    }

    private static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ name: SessionName, _ total: Int
    ) throws(SessionError) {
        var rest = bytes
        while let start = rest.baseAddress, !rest.isEmpty {
            #if canImport(Darwin)
            let written = Darwin.write(descriptor, start, rest.count)
            #elseif canImport(Glibc)
            let written = Glibc.write(descriptor, start, rest.count)
            #else
            let written = Musl.write(descriptor, start, rest.count)
            #endif
            if written < 0 {
                if errno == EINTR { continue }
                throw unwritable(name, errno, bytes: total)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    private static func unwritable(_ name: SessionName, _ code: Int32, bytes: Int) -> SessionError {
        // EFBIG: the limit of the process for one file.
        let isFull = [ENOSPC, EDQUOT, EFBIG].contains(code)
        return SessionError(
            isFull ? .noSpace : .unwritable,
            received: "cannot write session '\(name)' of \(ByteCount(bytes)): \(problem(code))",
            remedy: isFull ? "erase other sessions or make room on the disk" : "see that the directory can be written")
    }

    /// Removes what processes have left that were killed while they wrote.
    private func removeUnfinished() {
        for entry in entries() where entry.hasPrefix(".") && entry.hasSuffix(Self.unfinishedSuffix) {
            let descriptor = openat(directory, entry, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { continue }
            // Another process that is writing it holds the lock.
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unlinkat(directory, entry, 0) }
            close(descriptor)
        }
    }

    private func entries() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }

    // MARK: Reading

    private func openFile(_ name: SessionName) throws(SessionError) -> Int32 {
        let descriptor = openat(directory, fileName(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        if descriptor >= 0 { return descriptor }
        guard errno == ENOENT else {
            throw SessionError(
                .unreadable, received: "session '\(name)' cannot be read: \(Self.problem(errno))",
                remedy: "see to its file in the session directory")
        }
        throw Self.notFound(name)
    }

    private static func notFound(_ name: SessionName) -> SessionError {
        SessionError(.notFound, received: "no session '\(name)'", remedy: "save it first")
    }

    /// Maps a session's file and checks every byte of it.
    ///
    /// - Parameters:
    ///   - name: which.
    ///   - identity: what its pages must depend on.
    ///   - plan: of the pages.
    ///   - vocabularySize: tokens of the model.
    /// - Throws: `SessionError` if there is none, or it cannot be used here.
    public func open(
        _ name: SessionName, identity: SessionIdentity, plan: CachePlan, vocabularySize: Int
    ) throws(SessionError) -> SessionImage {
        let descriptor = try openFile(name)
        defer { close(descriptor) }
        let file: MappedFile
        do throws(MappedFileError) {
            file = try MappedFile(descriptor: descriptor, path: fileName(name))
        } catch {
            throw SessionError(
                .unreadable, received: "session '\(name)': \(error.problem)",
                remedy: "see to its file in the session directory")
        }
        return try SessionImage(name, file, identity: identity, plan: plan, vocabularySize: vocabularySize)
    }

    /// The sessions there are, by name; files that are none are left out.
    public func list() -> [SessionRecord] {
        entries().filter { $0.hasSuffix(Self.suffix) }.sorted().compactMap { entry in
            guard let name = try? SessionName(String(entry.dropLast(Self.suffix.count))),
                let descriptor = try? openFile(name)
            else { return nil }
            defer { close(descriptor) }
            guard let file = try? MappedFile(descriptor: descriptor, path: entry),
                let head = try? SessionHead(file.bytes, name: name)
            else { return nil }
            return SessionRecord(name: name, tokens: head.tokens, bytes: file.bytes.count)
        }
    }

    /// Removes a session's file; caches that were restored from it stay.
    ///
    /// - Throws: `SessionError` if there is none, or it cannot be removed.
    public func erase(_ name: SessionName) throws(SessionError) {
        guard unlinkat(directory, fileName(name), 0) != 0 else { return }
        guard errno == ENOENT else {
            throw SessionError(
                .unwritable, received: "session '\(name)' cannot be erased: \(Self.problem(errno))",
                remedy: "see that the directory can be written")
        }
        throw Self.notFound(name)
    }
}
