/// The bytes of a file, in place: mapped, or in an array.
public struct FileBytes: @unchecked Sendable {
    // Unchecked because a raw pointer is not Sendable; nobody writes to the bytes.

    /// What to call the file in messages.
    public let path: String
    /// The bytes; valid while this value, or a copy, lives.
    let bytes: UnsafeRawBufferPointer
    private let owner: any Sendable

    /// Bytes that stay where they are, and as they are, while `owner` lives.
    public init(path: String, bytes: UnsafeRawBufferPointer, owner: any Sendable & AnyObject) {
        self.path = path
        self.bytes = bytes
        self.owner = owner
    }

    /// Bytes of an array, which are copied.
    public init(path: String, _ contents: [UInt8]) {
        let memory = Memory(contents)
        self.init(path: path, bytes: UnsafeRawBufferPointer(memory.bytes), owner: memory)
    }

    private final class Memory: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ contents: [UInt8]) {
            bytes = .allocate(byteCount: contents.count, alignment: 1)
            bytes.copyBytes(from: contents)
        }

        deinit { bytes.deallocate() }
    }
}

/// A tokenizer's file that cannot be used.
public struct TokenizerFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Reason: Sendable, Hashable {
        /// The file is damaged, or of another format.
        case malformed
        /// The file asks for something that this version does not do.
        case unsupported
    }

    /// What kind of failure it is.
    public let reason: Reason
    /// The file, as its path was given.
    public let path: String
    /// What was found.
    public let found: String

    init(_ reason: Reason, _ file: FileBytes, _ found: String) {
        self.reason = reason
        path = file.path
        self.found = found.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// One line: what was received, and what to do.
    public var description: String {
        switch reason {
        case .malformed: "\(path): \(found); the file is damaged, fetch it again"
        case .unsupported: "\(path): \(found), which is not supported; use another model"
        }
    }
}
