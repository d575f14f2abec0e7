import Foundation
import Testing

@testable import KvasirHub

@Suite struct FileSinkTests {
    @Test func bytesAreAppendedAndCounted() async throws {
        try await Scratch.with { scratch in
            let path = "\(scratch.path)/f"
            func append(_ bytes: [UInt8], emptyingFirst: Bool = false) throws -> Int64 {
                var sink = try FileSink(appendingTo: path)
                if emptyingFirst { try sink.removeAll() }
                try sink.write(bytes)
                try sink.synchronize()
                return sink.count
            }
            let counts = [try append([1, 2]), try append([3])]
            #expect(counts == [2, 3])
            #expect(contents(path) == [1, 2, 3])
            let afterEmptying = try append([4], emptyingFirst: true)
            #expect(afterEmptying == 1)
            #expect(contents(path) == [4])
        }
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func aFullDiskIsItsOwnReason() throws {
        var sink = try FileSink(appendingTo: "/dev/full")
        #expect(throws: HubError.file(ENOSPC, action: "write", path: "/dev/full")) { try sink.write([1]) }
        #expect(HubError.file(ENOSPC, action: "write", path: "x").reason == .diskFull)
    }

    @Test func aReplacedFileIsNeverSeenHalf() async throws {
        try await Scratch.with { scratch in
            let path = "\(scratch.path)/f"
            try replaceFile(path, with: [1, 2, 3])
            try replaceFile(path, with: [9])
            #expect(contents(path) == [9])
            #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["f"])
        }
    }

    @Test(arguments: [0, 1, 63, 64, 1 << 20, (1 << 20) + 1])
    func theHashOfAFileIsThatOfItsBytes(_ count: Int) async throws {
        try await Scratch.with { scratch in
            let path = "\(scratch.path)/f"
            let bytes = noise(count)
            try Data(bytes).write(to: URL(filePath: path))
            var last: Int64 = 0
            #expect(try Checksum.sha256(ofFile: path) { last = $0 } == sha256(bytes))
            #expect(last == Int64(count))
        }
    }

    /// FIPS 180-4, the example of one block.
    @Test func theHashAgreesWithThePublishedExample() {
        #expect(
            Checksum.sha256(of: "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func aLockExcludesAndIsLeftWithoutTrace() async throws {
        try await Scratch.with { scratch in
            let path = "\(scratch.path)/lock"
            let counter = "\(scratch.path)/counter"
            try replaceFile(counter, with: [0])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await FileLock.withLock(path, onWait: {}) { () async throws(HubError) in
                            let value = contents(counter)?.first ?? 0
                            try? await Task.sleep(for: .milliseconds(5))
                            try replaceFile(counter, with: [value + 1])
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(contents(counter) == [8])
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func aLockIsReleasedWhenTheWorkFails() async throws {
        try await Scratch.with { scratch in
            let path = "\(scratch.path)/lock"
            let failure = HubError(.fileFailed, received: "a", remedy: "b")
            let error = await hubError {
                try await FileLock.withLock(path, onWait: {}) { () async throws(HubError) in throw failure }
            }
            #expect(error == failure)
            let ran = try await FileLock.withLock(path, onWait: {}) { () async throws(HubError) in true }
            #expect(ran)
        }
    }
}
