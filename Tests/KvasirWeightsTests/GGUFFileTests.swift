import KvasirWeights
import Testing

/// Against files the `gguf` package wrote.
@Suite struct GGUFFileTests {
    static let versions = [("all-metadata-v2.gguf", 2), ("all-metadata-v3.gguf", 3)]

    @Test(arguments: versions)
    func everyMetadataTypeIsReadAsWritten(_ name: String, _ version: Int) throws {
        let file = try GGUFFile(path: Fixture.path(name))
        #expect(file.version == version)
        #expect(file.alignment == 64)
        #expect(file.metadata.keys.first == "general.architecture")
        let expected: [String: GGUFValue] = [
            "general.architecture": .string(Array("llama".utf8)), "general.alignment": .uint32(64),
            "test.uint8": .uint8(200), "test.int8": .int8(-100), "test.uint16": .uint16(60_000),
            "test.int16": .int16(-30_000), "test.uint32": .uint32(4_000_000_000), "test.int32": .int32(-2_000_000_000),
            "test.uint64": .uint64(.max), "test.int64": .int64(.min), "test.float32": .float32(0.1),
            "test.float64": .float64(0.1), "test.true": .bool(true), "test.false": .bool(false),
            "test.string": .string(Array("Kvasir, møðr ok vín 🍯".utf8)),
            "test.array.uint8": .array(.uint8([0, 255])), "test.array.int8": .array(.int8([-128, 127])),
            "test.array.uint16": .array(.uint16([0, 65_535])), "test.array.int16": .array(.int16([.min, .max])),
            "test.array.uint32": .array(.uint32([0, .max])), "test.array.int32": .array(.int32([.min, .max])),
            "test.array.uint64": .array(.uint64([0, 1 << 63 - 1])), "test.array.int64": .array(.int64([.min, .max])),
            "test.array.float32": .array(.float32([0.5, -1.25])),
            "test.array.float64": .array(.float64([0.1, 1e300])),
            "test.array.bool": .array(.bool([true, false, true])),
            "test.array.string": .array(
                .string(GGUFStrings([[], Array("a".utf8), Array("\u{120}the".utf8), [0xff, 0xfe]]))),
            "test.array.array": .array(
                .array([
                    .int32([1, 2, 3]), .string(GGUFStrings(["x".utf8, "yz".utf8])),
                    .array([.bool([true]), .float32([0.5])]),
                ])),
        ]
        for (key, value) in expected { #expect(file.metadata[key] == value, "\(key)") }
        #expect(Set(file.metadata.keys) == Set(expected.keys))
    }

    @Test(arguments: versions)
    func tensorsHaveTheirShapeTypeAndValues(_ name: String, _ version: Int) throws {
        let file = try GGUFFile(path: Fixture.path(name))
        #expect(file.tensorNames == ["floats", "halves", "blocks", "cube"])
        let floats = try file.tensor(named: "floats")
        #expect(floats.type == .f32)
        #expect(floats.shape == [3, 2])
        #expect(floats.dequantized() == [0, 1, 2, 3, 4, 5])
        let halves = try file.tensor(named: "halves")
        #expect(halves.type == .f16)
        #expect((halves.columns, halves.rows, halves.rowBytes) == (64, 4, 128))
        let expected = (0..<256).map { Float($0 % 16 - 8) / 2 }
        #expect(halves.dequantized() == expected)
        let blocks = try file.tensor(named: "blocks")
        #expect(blocks.type == .q4_1)
        #expect((blocks.columns, blocks.rows, blocks.byteCount) == (64, 4, 160))
        #expect(blocks.dequantized() == expected)
        let cube = try file.tensor(named: "cube")
        #expect(cube.shape == [2, 3, 4])
        #expect((cube.columns, cube.rows) == (2, 12))
        #expect(cube.dequantized() == (0..<24).map { Float($0) })
    }

    @Test func tensorsKeepTheMappingAliveWithoutTheFile() throws {
        var file: GGUFFile? = try GGUFFile(path: Fixture.path("all-metadata-v3.gguf"))
        weak let storage = file?.tensors.first?.storage
        var tensor = try file?.tensor(named: "cube")
        file = nil
        #expect(storage != nil)
        #expect(tensor?.dequantized() == (0..<24).map { Float($0) })
        tensor = nil
        #expect(storage == nil)
    }

    @Test func missingTensorsAreNamed() throws {
        let file = try GGUFFile(contents: GuardedBytes(GGUFBuilder.sample().bytes), path: "m.gguf")
        let error = #expect(throws: WeightError.self) { try file.tensor(named: "blk.0.attn_q.weight") }
        #expect(error?.reason == .missing)
        #expect(
            error?.description
                == "m.gguf: tensor 'blk.0.attn_q.weight': is not among the file's 3 tensors; "
                + "the file is incomplete or of another architecture, use another one")
    }

    @Test func aPartOfASplitModelSaysSo() throws {
        var builder = GGUFBuilder(tensors: 0, pairs: 1)
        builder.uint32("split.count", 3)
        let file = try GGUFFile(contents: GuardedBytes(builder.bytes), path: "m.gguf")
        let error = #expect(throws: WeightError.self) { try file.tensor(named: "x") }
        #expect(error?.remedy == "the file is one of 3 parts of a split model, merge them into one file")
    }
}

@Suite struct GGUFMetadataTests {
    private let file: GGUFFile

    init() throws { file = try GGUFFile(path: Fixture.path("all-metadata-v3.gguf")) }

    @Test func accessorsGiveTheValueInItsSwiftType() throws {
        #expect(try file.metadata.string(forKey: "test.string") == "Kvasir, møðr ok vín 🍯")
        #expect(try file.metadata.bytes(forKey: "general.architecture") == Array("llama".utf8))
        for (key, value) in [
            "uint8": 200, "int8": -100, "uint16": 60_000, "int16": -30_000, "uint32": 4_000_000_000,
            "int32": -2_000_000_000, "int64": Int.min,
        ] {
            #expect(try file.metadata.integer(forKey: "test.\(key)") == value)
        }
        for (key, values) in [
            "uint8": [0, 255], "int8": [-128, 127], "uint16": [0, 65_535], "int16": [-32_768, 32_767],
            "uint32": [0, 4_294_967_295], "int32": [-2_147_483_648, 2_147_483_647], "uint64": [0, Int.max],
            "int64": [.min, .max],
        ] {
            #expect(try file.metadata.integers(forKey: "test.array.\(key)") == values)
        }
        #expect(try file.metadata.float(forKey: "test.float32") == 0.1)
        #expect(try file.metadata.float(forKey: "test.float64") == 0.1)
        #expect(try file.metadata.floats(forKey: "test.array.float32") == [0.5, -1.25])
        #expect(try file.metadata.floats(forKey: "test.array.float64") == [0.1, .infinity])
        #expect(try file.metadata.bool(forKey: "test.true"))
        #expect(try !file.metadata.bool(forKey: "test.false"))
        #expect(
            try file.metadata.byteStrings(forKey: "test.array.string")
                == [[], Array("a".utf8), Array("Ġthe".utf8), [0xff, 0xfe]])
    }

    @Test func missingKeysAreNilOrNamed() throws {
        #expect(try file.metadata.string(ifPresent: "no") == nil)
        #expect(try file.metadata.bytes(ifPresent: "no") == nil)
        #expect(try file.metadata.integer(ifPresent: "no") == nil)
        #expect(try file.metadata.float(ifPresent: "no") == nil)
        #expect(try file.metadata.bool(ifPresent: "no") == nil)
        #expect(try file.metadata.strings(ifPresent: "no") == nil)
        #expect(try file.metadata.byteStrings(ifPresent: "no") == nil)
        #expect(try file.metadata.integers(ifPresent: "no") == nil)
        #expect(try file.metadata.floats(ifPresent: "no") == nil)
        let error = #expect(throws: GGUFError.self) { try file.metadata.integer(forKey: "llama.block_count") }
        #expect(error?.reason == .missingKey)
        #expect(error?.description.contains("key 'llama.block_count': is missing; ") == true)
    }

    private func expectWrong(_ key: String, _ found: String, _ read: (GGUFFile, String) throws -> Any) {
        let error = #expect(throws: GGUFError.self, "\(key)") { _ = try read(file, key) }
        #expect(error?.reason == .wrongType)
        #expect(error?.field == "key '\(key)'")
        #expect(error?.found == found)
    }

    @Test func aWrongTypeIsNamedBesideTheExpectedOne() {
        expectWrong("test.int8", "expected string, found int8") { try $0.metadata.string(forKey: $1) }
        expectWrong("test.string", "expected integer, found string") { try $0.metadata.integer(forKey: $1) }
        expectWrong("test.uint64", "expected integer below 2^63, found uint64 18446744073709551615") {
            try $0.metadata.integer(forKey: $1)
        }
        expectWrong("test.int8", "expected float, found int8") { try $0.metadata.float(forKey: $1) }
        expectWrong("test.uint8", "expected bool, found uint8") { try $0.metadata.bool(forKey: $1) }
        expectWrong("test.uint8", "expected array of string, found uint8") { try $0.metadata.strings(forKey: $1) }
        expectWrong("test.array.bool", "expected array of string, found array of 3 bool") {
            try $0.metadata.byteStrings(forKey: $1)
        }
        expectWrong("test.array.string", "expected array of integer, found array of 4 string") {
            try $0.metadata.integers(forKey: $1)
        }
        expectWrong("test.array.int32", "expected array of float, found array of 2 int32") {
            try $0.metadata.floats(forKey: $1)
        }
        expectWrong("test.array.string", "expected array of string in UTF-8, found element 3 of 2 bytes that are not") {
            try $0.metadata.strings(forKey: $1)
        }
    }

    @Test func integersBeyondTheSwiftTypeAreRefusedInArrays() throws {
        var builder = GGUFBuilder(tensors: 0, pairs: 1)
        builder.key("large", type: 9)
        builder.array("large", type: 10, count: 1)
        builder.raw(UInt64.max)
        let file = try GGUFFile(contents: GuardedBytes(builder.bytes), path: "m.gguf")
        let error = #expect(throws: GGUFError.self) { try file.metadata.integers(forKey: "large") }
        #expect(error?.found == "expected array of integers below 2^63, found uint64 18446744073709551615")
    }
}
