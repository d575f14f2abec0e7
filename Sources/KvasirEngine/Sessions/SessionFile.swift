internal import Crypto
public import KvasirCache
internal import KvasirCodecs
internal import KvasirWeights

#if canImport(Darwin)
internal import Darwin
#elseif canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// The form of a session's file.
///
/// Numbers are little-endian:
///
///     0   8 bytes "KVSESSN1"
///     8   UInt32 version
///     12  UInt32 alignment of the pages
///     16  UInt64 bytes of the file
///     24  UInt32 bytes of the identity
///     28  UInt32 tokens, a multiple of a page's
///     32  the identity in UTF-8, a line for each field: name, tab, value
///         the tokens, Int32 each
///         zeros up to a multiple of the alignment
///         the pages as `SnapshotLayout` orders them
///         SHA-256 of all bytes before
enum SessionFormat {
    static let magic = Array("KVSESSN1".utf8)
    static let version: UInt32 = 1
    /// A multiple of the page sizes of the usual systems, 4 and 16 KiB.
    static let alignment = 16 << 10
    static let headerBytes = 32
    static let digestBytes = SHA256.byteCount

    /// Everything before the pages.
    static func head(_ identity: SessionIdentity, tokens: [Int32], pageBytes: Int) -> [UInt8] {
        let text = Array(identity.text.utf8)
        let used = headerBytes + text.count + tokens.count * MemoryLayout<Int32>.size
        let start = pagesOffset(identityBytes: text.count, tokens: tokens.count)
        var bytes = magic
        bytes.reserveCapacity(start)
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(version)
        append(UInt32(alignment))
        append(UInt64(start + pageBytes + digestBytes))
        append(UInt32(text.count))
        append(UInt32(tokens.count))
        bytes += text
        for token in tokens { append(token) }
        bytes.append(contentsOf: repeatElement(0, count: start - used))
        return bytes
    }

    static func pagesOffset(identityBytes: Int, tokens: Int) -> Int {
        let used = headerBytes + identityBytes + tokens * MemoryLayout<Int32>.size
        return (used + alignment - 1) / alignment * alignment
    }
}

/// A session's file, mapped and checked: what was saved, for this model and this cache.
///
/// Its pages are copied out of the mapping into pages of the pool, so that the budget counts them as any others, they can be
/// given up one by one, and nothing that later happens to the file reaches attention.
public final class SessionImage: Sendable {
    /// The name.
    public let name: SessionName
    /// The tokens: whole pages.
    public let tokens: [Int32]
    /// How the pages lie.
    public let layout: SnapshotLayout
    /// Bytes of the file.
    public var byteCount: Int { file.bytes.count }

    private let file: MappedFile
    private let pagesOffset: Int

    /// Checks a mapped file.
    ///
    /// - Throws: `SessionError` if it is no session, damaged, or another model's or cache's.
    init(
        _ name: SessionName, _ file: MappedFile, identity: SessionIdentity, plan: CachePlan, vocabularySize: Int
    ) throws(SessionError) {
        let bytes = file.bytes
        let head = try SessionHead(bytes, name: name)
        guard head.fileBytes == bytes.count else {
            throw Self.damaged(name, "it has \(bytes.count) bytes where \(head.fileBytes) were written")
        }
        let identityEnd = SessionFormat.headerBytes + head.identityBytes
        let (tokenBytes, _) = head.tokens.multipliedReportingOverflow(by: MemoryLayout<Int32>.size)
        guard identityEnd + tokenBytes + SessionFormat.digestBytes <= bytes.count,
            head.tokens % PageGeometry.tokens == 0, head.tokens > 0,
            let text = String(validating: bytes[SessionFormat.headerBytes..<identityEnd], as: UTF8.self),
            let saved = SessionIdentity(text: text)
        else { throw Self.damaged(name, "its header contradicts itself") }
        try identity.check(saved, of: name)
        var hash = SHA256()
        hash.update(
            bufferPointer: UnsafeRawBufferPointer(rebasing: bytes.dropLast(SessionFormat.digestBytes)))
        guard hash.finalize() == UnsafeRawBufferPointer(rebasing: bytes.suffix(SessionFormat.digestBytes)) else {
            throw Self.damaged(name, "its bytes are not those that were written")
        }
        // From here on the file is one that was written; it may still be nonsense.
        layout = SnapshotLayout(plan, pages: head.tokens / PageGeometry.tokens)
        pagesOffset = SessionFormat.pagesOffset(identityBytes: head.identityBytes, tokens: head.tokens)
        guard pagesOffset + layout.byteCount + SessionFormat.digestBytes == bytes.count else {
            throw Self.damaged(name, "it has other pages than its tokens need")
        }
        tokens = (0..<head.tokens).map {
            Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: identityEnd + $0 * 4, as: Int32.self))
        }
        guard tokens.allSatisfy({ $0 >= 0 && Int($0) < vocabularySize }) else {
            throw Self.damaged(name, "it has tokens that the model does not")
        }
        self.name = name
        self.file = file
    }

    /// The pages.
    var pages: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[pagesOffset..<pagesOffset + layout.byteCount])
    }

    static func damaged(_ name: SessionName, _ problem: String) -> SessionError {
        SessionError(.damaged, received: "session '\(name)': \(problem)", remedy: "erase it and save it anew")
    }
}

/// The first bytes of a session's file.
struct SessionHead {
    let fileBytes: Int
    let identityBytes: Int
    let tokens: Int

    /// Reads them.
    ///
    /// - Throws: `SessionError` if they are no session's.
    init(_ bytes: UnsafeRawBufferPointer, name: SessionName) throws(SessionError) {
        guard bytes.count >= SessionFormat.headerBytes, bytes.prefix(8).elementsEqual(SessionFormat.magic) else {
            throw SessionImage.damaged(name, "it is no session of Kvasir, or cut off")
        }
        func number(_ offset: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        guard number(8) == SessionFormat.version else {
            throw SessionError(
                .otherVersion, received: "session '\(name)' has version \(number(8)) of the format",
                remedy: "this program reads version \(SessionFormat.version); save it anew")
        }
        guard number(12) == SessionFormat.alignment,
            let size = Int(exactly: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
        else { throw SessionImage.damaged(name, "its header contradicts itself") }
        fileBytes = size
        identityBytes = Int(number(24))
        tokens = Int(number(28))
    }
}
