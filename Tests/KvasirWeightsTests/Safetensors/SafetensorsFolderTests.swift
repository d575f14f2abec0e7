import Foundation
import KvasirWeights
import Testing

@Suite struct SafetensorsFolderTests {
    private func withFolder(_ files: [String: [UInt8]], _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "kvasir-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, bytes) in files { try Data(bytes).write(to: folder.appending(path: name)) }
        try body(folder.path)
    }

    private func error(_ files: [String: [UInt8]]) throws -> SafetensorsError? {
        var result: SafetensorsError?
        try withFolder(files) { path in
            result = #expect(throws: SafetensorsError.self) { try SafetensorsFolder(path: path) }
        }
        #expect(result?.description.contains("\n") == false)
        return result
    }

    private static func shard(_ name: String, _ value: Float) -> [UInt8] {
        var builder = SafetensorsBuilder("{\(SafetensorsBuilder.tensor(name, "F32", [1], 0, 4))}")
        builder.data = withUnsafeBytes(of: value) { Array($0) }
        return builder.bytes
    }

    private static let index = "model.safetensors.index.json"
    private let shards: [String: [UInt8]] = [
        "model-00001-of-00002.safetensors": shard("a", 1), "model-00002-of-00002.safetensors": shard("b", 2),
        index: Array(
            #"""
            {"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors",
             "b":"model-00002-of-00002.safetensors"}}
            """#.utf8),
    ]

    @Test func aSingleFileIsRead() throws {
        try withFolder(["model.safetensors": SafetensorsBuilder.sample().bytes]) { path in
            let folder = try SafetensorsFolder(path: path)
            #expect(folder.tensorNames == ["a.weight", "b", "c"])
            #expect(try folder.tensor(named: "b").dequantized() == [1, -2.5])
            #expect(throws: WeightError.self) { try folder.tensor(named: "x") }
        }
    }

    @Test func shardsAreReadAsOne() throws {
        try withFolder(shards) { path in
            let folder = try SafetensorsFolder(path: path)
            #expect(folder.tensorNames == ["a", "b"])
            #expect(try folder.tensor(named: "a").dequantized() == [1])
            #expect(try folder.tensor(named: "b").dequantized() == [2])
        }
    }

    @Test func aMissingShardIsNamed() throws {
        let failure = try error(shards.filter { $0.key != "model-00002-of-00002.safetensors" })
        #expect(failure?.reason == .missingFile)
        #expect(failure?.path.hasSuffix("/model-00002-of-00002.safetensors") == true)
    }

    @Test func anIndexThatContradictsTheShardsIsRefused() throws {
        for (tensor, map) in [
            // A tensor that is not where it should be, one that nobody has, and one that is not named.
            ("b", #"{"a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors"}"#),
            ("c", #"{"a":"model-00001-of-00002.safetensors","c":"model-00001-of-00002.safetensors"}"#),
            ("b", #"{"c":"model-00002-of-00002.safetensors"}"#),
        ] {
            var files = shards
            files[Self.index] = Array("{\"weight_map\":\(map)}".utf8)
            let failure = try error(files)
            #expect(failure?.reason == .inconsistentIndex)
            #expect(["tensor '\(tensor)'", "tensor 'a'"].contains(failure?.field))
        }
    }

    @Test func anIndexNamesFilesOfItsFolderOnly() throws {
        for name in ["../x.safetensors", "/etc/passwd", "a/b.safetensors", ".x.safetensors", "x.bin", "", "x\\u0000"] {
            let failure = try error([Self.index: Array("{\"weight_map\":{\"a\":\"\(name)\"}}".utf8)])
            #expect(failure?.reason == .malformed, "\(name)")
        }
        for text in ["", "[]", "{}", "{\"weight_map\":{}}", "{\"weight_map\":{\"a\":1}}", "{\"weight_map\":"] {
            #expect(try error([Self.index: Array(text.utf8)])?.reason == .malformed, "\(text)")
        }
    }

    @Test func aPickleIsRefusedWithTheRemedy() throws {
        for name in ["pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"] {
            let failure = try error([name: [1, 2, 3]])
            #expect(failure?.reason == .pickle)
            #expect(failure?.description.contains("executes code") == true)
            #expect(failure?.description.contains("safe_serialization=True") == true)
        }
        #expect(try error(["config.json": [1]])?.reason == .missingFile)
    }

    @Test func configurationsAreReadByPath() throws {
        let text = Array(
            #"""
            {"model_type":"llama","hidden_size":64,"rope_theta":10000.0,"big":1e6,"tie":true,"none":null,
             "rope_scaling":{"rope_type":"llama3","factor":8.0},"eos_token_id":[1,2],"kinds":["a","b"],"a.b":7}
            """#.utf8)
        let configuration = try text.withUnsafeBytes { try ModelConfiguration($0, path: "config.json") }
        #expect(try configuration.string(ifPresent: "model_type") == "llama")
        #expect(try configuration.integer(ifPresent: "hidden_size") == 64)
        #expect(try configuration.integer(ifPresent: "big") == 1_000_000)
        #expect(try configuration.number(ifPresent: "rope_theta") == 10_000)
        #expect(try configuration.number(ifPresent: "hidden_size") == 64)
        #expect(try configuration.bool(ifPresent: "tie") == true)
        #expect(try configuration.string(ifPresent: "rope_scaling.rope_type") == "llama3")
        #expect(try configuration.integers(ifPresent: "eos_token_id") == [1, 2])
        #expect(try configuration.integers(ifPresent: "hidden_size") == [64])
        #expect(try configuration.strings(ifPresent: "kinds") == ["a", "b"])
        #expect(try configuration.integer(ifPresent: "a.b") == 7)
        #expect(!configuration.contains("none") && !configuration.contains("x.y") && configuration.contains("tie"))
        let error = #expect(throws: ModelConfigurationError.self) { try configuration.integer(ifPresent: "model_type") }
        #expect(
            error?.description
                == "config.json: 'model_type': expected an integer, found string; fetch the file again, or correct it")
        #expect(try configuration.integer(ifPresent: "rope_scaling.factor.x") == nil)
    }
}
