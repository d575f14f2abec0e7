import Foundation
import KvasirWeights
import Testing

@Suite struct MappedFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func contentsAreTheFilesBytes() throws {
        let contents = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let file = try MappedFile(path: directory.write(contents, as: "f"))
        #expect([UInt8](file.bytes) == contents)
    }

    @Test func anEmptyFileHasNoBytes() throws {
        let file = try MappedFile(path: directory.write([], as: "empty"))
        #expect(file.bytes.isEmpty)
        file.releasePages(in: 0..<0)
    }

    @Test func releasedPagesKeepTheirValues() throws {
        let contents = (0..<200_001).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 3) }
        let file = try MappedFile(path: directory.write(contents, as: "f"))
        for range in [0..<0, 1..<2, 5..<150_000, 100_000..<200_001, 0..<200_001] {
            file.releasePages(in: range)
            #expect([UInt8](file.bytes) == contents)
        }
    }

    #if os(Linux)
    @Test func releasedPagesTakeNoMemory() throws {
        let page = Int(getpagesize())
        let file = try MappedFile(path: directory.write([UInt8](repeating: 7, count: 64 * page), as: "f"))
        #expect(file.bytes.allSatisfy { $0 == 7 })
        #expect(try residentPages(of: file.bytes) == 64)
        file.releasePages(in: 1..<32 * page + 1)
        // The first page and the 33rd reach outside the range and stay.
        #expect(try residentPages(of: file.bytes) == 64 - 31)
        file.releasePages(in: 0..<file.bytes.count)
        #expect(try residentPages(of: file.bytes) == 0)
    }

    /// Counts the pages the kernel has in this process's page table: one 64-bit entry per page, the top bit says so.
    private func residentPages(of bytes: UnsafeRawBufferPointer) throws -> Int {
        let page = UInt(getpagesize())
        let first = try #require(bytes.baseAddress.map { UInt(bitPattern: $0) }) / page
        let pages = (bytes.count + Int(page) - 1) / Int(page)
        let table = try #require(FileHandle(forReadingAtPath: "/proc/self/pagemap"))
        try table.seek(toOffset: UInt64(first) * 8)
        let entries = try #require(try table.read(upToCount: pages * 8))
        try #require(entries.count == pages * 8)
        return entries.enumerated().count { $0.offset % 8 == 7 && $0.element & 0x80 != 0 }
    }
    #endif

    @Test func whatCannotBeReadIsNamed() throws {
        let missing = directory.path + "/missing.gguf"
        let absent = #expect(throws: GGUFError.self) { try GGUFFile(path: missing) }
        #expect(absent?.reason == .unreadable)
        #expect(
            absent?.description
                == "\(missing): file: cannot be read: No such file or directory; give the path of a readable file")

        let folder = #expect(throws: MappedFileError.self) { try MappedFile(path: directory.path) }
        #expect(folder?.description == "\(directory.path): is a directory; give the path of a readable file")

        #expect(throws: MappedFileError.self) { try MappedFile(path: "/dev/null") }
        #expect(throws: MappedFileError.self) { try MappedFile(path: directory.write([1], as: "f") + "\0x") }

        let empty = try directory.write([], as: "empty.gguf")
        let nothing = #expect(throws: GGUFError.self) { try GGUFFile(path: empty) }
        #expect(nothing?.reason == .notGGUF)
        #expect(nothing?.found == "the file is empty")
    }

    @Test(.enabled(if: getuid() != 0, "root reads everything")) func unreadableFilesAreNamed() throws {
        let file = try directory.write([1], as: "secret")
        try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: file)
        let error = #expect(throws: MappedFileError.self) { try MappedFile(path: file) }
        #expect(error?.problem == "cannot be read: Permission denied")
    }

    @Test(.timeLimit(.minutes(1))) func aPipeIsRefusedWithoutWaitingForItsWriter() throws {
        let pipe = directory.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        let error = #expect(throws: MappedFileError.self) { try MappedFile(path: pipe) }
        #expect(error?.problem == "is not a regular file")
    }
}
