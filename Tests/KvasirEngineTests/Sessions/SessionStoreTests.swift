import Foundation
import KvasirCache
import KvasirCodecs
import KvasirModels
import Testing

@testable import KvasirEngine

/// A cache in a file: all of it comes back, or nothing does.
struct SessionStoreTests {
    /// A directory of a test's own.
    final class Folder {
        let path = FileManager.default.temporaryDirectory.appending(path: "sessions-\(UUID())").path
        deinit { try? FileManager.default.removeItem(atPath: path) }

        func file(_ name: String) -> URL { URL(filePath: path).appending(path: name) }
        var contents: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
    }

    /// A sequence of whole pages that was saved.
    struct Saved {
        let engine: InferenceEngine
        let identity: SessionIdentity
        let tokens: [Int32]
        let record: SessionRecord
        let sequence: CacheSequence

        init(_ store: SessionStore, _ name: String, cache: String = "nf4/rot", pages: Int = 3) throws {
            engine = try TinyModel.quantized.engine(cache: cache, precision: .int8)
            identity = try SessionIdentity(engine)
            tokens = scatteredTokens(pages * 64)
            sequence = engine.makeSequence()
            for page in 0..<pages { try engine.prefill(tokens[page * 64..<(page + 1) * 64], into: sequence) }
            let snapshot = try #require(CacheSnapshot(sequence))
            record = try store.save(try SessionName(name), snapshot, tokens: tokens, identity: identity)
        }

        func open(_ store: SessionStore, _ name: String) throws -> SessionImage {
            try store.open(
                try SessionName(name), identity: identity, plan: engine.plan, vocabularySize: engine.vocabularySize)
        }
    }

    private func reason(_ body: () throws -> Void) -> SessionError.Reason? {
        do {
            try body()
            return nil
        } catch {
            return (error as? SessionError)?.reason
        }
    }

    @Test func pagesThatStillChangeAreNotSaved() throws {
        let engine = try TinyModel.quantized.engine(cache: "qaq", precision: .int8)
        #expect(reason { _ = try SessionIdentity(engine) } == .unsupportedCache)
    }

    @Test(arguments: PrefixReuseTests.sharing + ["nf4; recent=64; sinks=4"])
    func whatIsSavedIsRestored(cache: String) throws {
        let folder = Folder()
        let store = try SessionStore(path: folder.path)
        let saved = try Saved(store, "one", cache: cache)
        #expect(saved.record.tokens == 192)
        #expect(store.list() == [saved.record])
        #expect(try folder.contents == ["one.session"])
        let image = try saved.open(store, "one")
        #expect(image.tokens == saved.tokens)
        #expect(image.byteCount == saved.record.bytes)
        // Pages begin where the system's pages do.
        #expect(Int(bitPattern: image.pages.baseAddress) % Int(getpagesize()) == 0)
        let snapshot = try CacheSnapshot(copying: image.pages, layout: image.layout, pool: saved.engine.pool)
        let sequence = saved.engine.makeSequence()
        sequence.adopt(snapshot.pages, sides: snapshot.sides)
        #expect(sequence.contents() == saved.sequence.contents())
        try store.erase(SessionName("one"))
        #expect(try folder.contents == [])
        #expect(reason { try store.erase(SessionName("one")) } == .notFound)
        #expect(reason { _ = try saved.open(store, "one") } == .notFound)
    }

    /// Every byte counts: wherever one is changed, the file is refused.
    @Test func aFileThatWasChangedIsRefused() throws {
        let folder = Folder()
        let store = try SessionStore(path: folder.path)
        let saved = try Saved(store, "one", pages: 1)
        let good = try Data(contentsOf: folder.file("one.session"))
        let bad = folder.file("bad.session")
        for offset in Array(0..<400) + Array(stride(from: 400, to: good.count, by: 499)) + [good.count - 1] {
            var data = good
            data[offset] ^= 1
            try data.write(to: bad)
            let reason = reason { _ = try saved.open(store, "bad") }
            #expect(reason == .damaged || reason == .otherVersion || reason == .mismatch, "byte \(offset)")
        }
        for length in [0, 1, 8, 31, 32, 100, 16_383, 16_384, good.count - 32, good.count - 1] {
            try good.prefix(length).write(to: bad)
            #expect(reason { _ = try saved.open(store, "bad") } == .damaged, "\(length) bytes")
        }
        try (good + [0]).write(to: bad)
        #expect(reason { _ = try saved.open(store, "bad") } == .damaged)
        // Lengths that overflow anything.
        for offset in [24, 28] {
            var data = good
            for index in 0..<4 { data[offset + index] = 0xFF }
            try data.write(to: bad)
            #expect(reason { _ = try saved.open(store, "bad") } == .damaged)
        }
        try good.write(to: bad)
        _ = try saved.open(store, "bad")
    }

    @Test func anothersSessionIsRefusedByBothNames() throws {
        let folder = Folder()
        let store = try SessionStore(path: folder.path)
        let saved = try Saved(store, "one", cache: "nf4/rot")
        func error(_ engine: InferenceEngine) throws -> SessionError {
            let identity = try SessionIdentity(engine)
            let error = #expect(throws: SessionError.self) {
                try store.open(
                    SessionName("one"), identity: identity, plan: engine.plan, vocabularySize: engine.vocabularySize)
            }
            return try #require(error)
        }
        let otherCache = try error(TinyModel.quantized.engine(cache: "nf4", precision: .int8))
        #expect(otherCache.reason == .mismatch)
        #expect(otherCache.description.contains("'one' was saved with cache nf4/b256/rot, here it is nf4/"))
        let otherWindow = try error(TinyModel.quantized.engine(cache: "nf4/rot; recent=64", precision: .int8))
        #expect(otherWindow.reason == .mismatch && otherWindow.description.contains("recent=64"))
        let otherModel = try error(TinyModel.separate.engine(cache: "nf4/rot", precision: .int8))
        #expect(otherModel.reason == .mismatch)
        #expect(otherModel.description.contains("model \(try saved.engine.model.fingerprint().prefix(12)),"))
        let otherPrecision = try error(TinyModel.quantized.engine(cache: "nf4/rot", precision: .float32))
        #expect(otherPrecision.description.contains("weights file, int8, here it is file, float32"))
    }

    /// Codebooks are part of what the pages mean, though the cache has the same name.
    @Test func otherCodebooksAreAnotherCache() throws {
        let folder = Folder()
        let store = try SessionStore(path: folder.path)
        _ = try Saved(store, "one", cache: "nf4")
        let identity = try SessionIdentity(TinyModel.quantized.engine(cache: "nf4", precision: .int8))
        var fields = identity.fields
        let index = try #require(fields.firstIndex { $0.name == "calibrations" })
        #expect(fields[index].value == "none")
        fields[index] = .init(name: "calibrations", value: String(repeating: "a", count: 64))
        let error = #expect(throws: SessionError.self) {
            try SessionIdentity(fields: fields).check(identity, of: SessionName("one"))
        }
        #expect(error?.description.contains("calibrations none, here it is aaaaaaaaaaaa:") == true)
    }

    @Test func namesLeadNowhereElse() throws {
        for wrong in [
            "", ".", "..", ".hidden", "a/b", "../a", "a\\b", "a b", "a\0b", "é", "/etc/passwd", "a\n", "~", "*",
            String(repeating: "a", count: 101),
        ] {
            #expect(reason { _ = try SessionName(wrong) } == .badName, "'\(wrong)'")
        }
        for right in ["a", "A-1_b.c", "..a".replacing("..", with: "x.."), String(repeating: "a", count: 100)] {
            _ = try SessionName(right)
        }
    }

    @Test func linksAreNotFollowed() throws {
        let (folder, outside) = (Folder(), Folder())
        let (store, other) = (try SessionStore(path: folder.path), try SessionStore(path: outside.path))
        let saved = try Saved(other, "secret")
        let before = try Data(contentsOf: outside.file("secret.session"))
        try FileManager.default.createSymbolicLink(
            at: folder.file("link.session"), withDestinationURL: outside.file("secret.session"))
        #expect(reason { _ = try saved.open(store, "link") } == .unreadable)
        #expect(store.list().isEmpty)
        // Saving takes the link's place and leaves what it led to alone.
        _ = try Saved(store, "link", pages: 1)
        #expect(try Data(contentsOf: outside.file("secret.session")) == before)
        #expect(try saved.open(other, "secret").tokens.count == 192)
        // Neither a directory nor a pipe is a session.
        try FileManager.default.createDirectory(at: folder.file("dir.session"), withIntermediateDirectories: false)
        #expect(mkfifo(folder.file("pipe.session").path, 0o600) == 0)
        for name in ["dir", "pipe"] { #expect(reason { _ = try saved.open(store, name) } == .unreadable) }
        #expect(reason { try store.erase(SessionName("dir")) } == .unwritable)
        #expect(store.list().map(\.name.text) == ["link"])
    }

    @Test func whatAKilledProcessHasLeftIsRemoved() throws {
        let folder = Folder()
        _ = try SessionStore(path: folder.path)
        try Data([1, 2, 3]).write(to: folder.file(".abc.unfinished"))
        try Data([1, 2, 3]).write(to: folder.file("mine.txt"))
        // One that somebody is writing right now is left to him.
        let busy = folder.file(".busy.unfinished")
        try Data().write(to: busy)
        let descriptor = open(busy.path, O_RDWR)
        defer { close(descriptor) }
        #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        let store = try SessionStore(path: folder.path)
        #expect(try folder.contents == [".busy.unfinished", "mine.txt"])
        #expect(store.list().isEmpty)
    }

    @Test func aSessionIsReplacedAsAWhole() throws {
        let folder = Folder()
        let store = try SessionStore(path: folder.path)
        let long = try Saved(store, "one", pages: 3)
        let image = try long.open(store, "one")
        let short = try Saved(store, "one", pages: 1)
        // Who has mapped the old one still has it.
        #expect(image.tokens.count == 192 && image.pages.count == image.layout.byteCount)
        #expect(try short.open(store, "one").tokens.count == 64)
        #expect(try folder.contents == ["one.session"])
    }

    @Test func directoriesThatCannotBeUsedAreRefused() throws {
        let folder = Folder()
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        try Data().write(to: folder.file("file"))
        #expect(reason { _ = try SessionStore(path: folder.file("file").path) } == .badDirectory)
        #expect(reason { _ = try SessionStore(path: folder.file("file/within").path) } == .badDirectory)
        #expect(reason { _ = try SessionStore(path: "/proc/nothing") } == .badDirectory)
        _ = try SessionStore(path: folder.file("new/deep").path)
    }
}
