import Foundation
import Testing

@testable import KvasirHub

@Suite struct ModelFolderTests {
    private static let files: [String: [UInt8]] = [
        "config.json": noise(10), "tokenizer.json": noise(20, seed: 2), "model-00001-of-00002.safetensors": noise(30),
        "model-00002-of-00002.safetensors": noise(40, seed: 4), "model.safetensors.index.json": noise(50),
        "README.md": noise(60), "pytorch_model.bin": noise(70), "onnx/model.onnx": noise(80), "tf_model.h5": noise(90),
    ]

    @Test func aRepositoryOfSafetensorsIsFetchedAsAFolder() async throws {
        try await Scratch.with { scratch in
            try await TestHub.run(.init(files: Self.files)) { hub in
                let store = try scratch.store(hub: hub)
                let model = try await store.pull(try ModelReference("hf:OWNER/REPO"))
                #expect(model.name == "hf:OWNER/REPO")
                #expect(model.bytes == 150)
                #expect(model.verified != nil)
                let names = try FileManager.default.contentsOfDirectory(atPath: model.path)
                #expect(
                    Set(names) == [
                        "config.json", "tokenizer.json", "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                    ])
                #expect(try store.list() == [model])
                // Once it is here nobody is asked again.
                let asked = hub.seen.count
                #expect(try await store.pull(try ModelReference("hf:OWNER/REPO")) == model)
                #expect(hub.seen.count == asked)
                // A folder that has lost a file is none.
                try FileManager.default.removeItem(atPath: "\(model.path)/tokenizer.json")
                #expect(try store.resolve(try ModelReference("hf:OWNER/REPO")) == nil)
                #expect(try store.list().isEmpty)
                #expect(try await store.pull(try ModelReference("hf:OWNER/REPO")).bytes == 150)
            }
        }
    }

    @Test func aGGUFFileIsPreferredAndPicklesAreRefused() async throws {
        try await Scratch.with { scratch in
            try await TestHub.run(.init(files: ["config.json": [1], "model.safetensors": [2], "m.gguf": [3]])) { hub in
                let model = try await scratch.store(hub: hub).pull(try ModelReference("hf:OWNER/REPO"))
                #expect(model.name == "hf:OWNER/REPO:m.gguf")
            }
            try await TestHub.run(.init(files: ["config.json": [1], "pytorch_model.bin": [2]])) { hub in
                let store = try scratch.store(hub: hub)
                // The store remembers which file the repository meant.
                try FileManager.default.removeItem(atPath: store.root)
                let error = await hubError { try await store.pull(try ModelReference("hf:OWNER/REPO")) }
                #expect(error?.reason == .noModelFile)
                #expect(error?.received.contains("pickles") == true)
                #expect(hub.fileGets.isEmpty)
            }
        }
    }

    @Test func theWholeModelCountsBeforeItsParts() {
        let names = ["config.json", "model.safetensors", "model-00001-of-00001.safetensors", "vocab.json", "x.json"]
        #expect(ModelFolder.files(among: names) == ["config.json", "vocab.json", "model.safetensors"])
        #expect(ModelFolder.files(among: ["model.safetensors"]) == nil)
        #expect(ModelFolder.files(among: ["config.json", "model.safetensors.index.json"]) == nil)
        #expect(ModelFolder.files(among: ["config.json", "sub/model.safetensors"]) == nil)
    }

    @Test func aFolderOutsideTheStoreIsReturnedAsItIs() async throws {
        try await Scratch.with { scratch in
            let path = "\(scratch.path)/model"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try Data(noise(7)).write(to: URL(filePath: "\(path)/config.json"))
            try Data(noise(5)).write(to: URL(filePath: "\(path)/model.safetensors"))
            let model = try await scratch.store().pull(try ModelReference(path))
            #expect(model.path == path)
            #expect(model.bytes == 12)
            #expect(model.source == "folder")
        }
    }
}
