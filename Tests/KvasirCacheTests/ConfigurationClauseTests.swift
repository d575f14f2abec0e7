import Foundation
import KvasirCodecs
import Testing

@testable import KvasirCache

/// Windows, layers and presets in the text of a configuration.
@Suite struct ConfigurationClauseTests {
    private func message(_ text: String) -> String? {
        let error = #expect(throws: CacheError.self) { try CacheConfiguration(parsing: text) }
        #expect(error?.reason == .malformedConfiguration)
        #expect(error?.received == text)
        return error?.description
    }

    @Test(arguments: 0..<200)
    func anyConfigurationParsesWhatItPrints(seed: Int) throws {
        var generator = PlainGenerator(seed: UInt64(seed) + 7)
        let names = CodecRegistry.families.flatMap(\.members).map(\.name)
        func pair() throws -> CodecPair {
            try CodecPair(keys: names[generator.index(names.count)], values: names[generator.index(names.count)])
        }
        func window() -> WindowLength {
            let lengths = [0, 0, 1, 4, 64, 128, CacheConfiguration.longestWindow]
            return WindowLength(keys: lengths[generator.index(7)], values: lengths[generator.index(7)])
        }
        let overrides = try (0..<generator.index(3)).map { _ in
            let items = (0...generator.index(3)).map { _ in
                let first = generator.index(41) - 20
                return LayerList.Item(first: first, last: generator.index(2) == 0 ? first : generator.index(41) - 20)
            }
            return LayerOverride(layers: LayerList(items), codecs: try pair())
        }
        let configuration = CacheConfiguration(
            codecs: try pair(), overrides: overrides, recent: window(), sinks: window())
        let text = configuration.description
        #expect(try CacheConfiguration(parsing: text) == configuration)
        #expect(try CacheConfiguration(parsing: text.uppercased()).description == text)
        #expect(try CacheConfiguration(parsing: text.filter { $0 != " " }).description == text)
        let coded = try JSONEncoder().encode([configuration])
        #expect(try JSONDecoder().decode([String].self, from: coded) == [text])
        #expect(try JSONDecoder().decode([CacheConfiguration].self, from: coded) == [configuration])
    }

    @Test func aTextThatIsNoneDoesNotDecode() {
        let error = #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([CacheConfiguration].self, from: Data(#"["nf44"]"#.utf8))
        }
        guard case .dataCorrupted(let context) = error else {
            Issue.record("not the error that was expected")
            return
        }
        #expect(context.debugDescription.contains("did you mean 'nf4'?"))
    }

    @Test func aPresetStandsForItsConfiguration() throws {
        #expect(CachePreset.all.map(\.name) == ["quality", "precise", "centered", "balanced", "small", "tiny"])
        for preset in CachePreset.all {
            let plain = try CacheConfiguration(parsing: preset.configuration)
            #expect(try CacheConfiguration(parsing: preset.name) == plain)
            #expect(try CacheConfiguration(parsing: " \(preset.name.uppercased()) ") == plain)
            let windowed = try CacheConfiguration(parsing: "\(preset.name); recent=77; layers 0=f32")
            #expect(windowed.codecs == plain.codecs && windowed.sinks == plain.sinks)
            #expect(windowed.recent == WindowLength(keys: 77, values: 77))
            #expect(windowed.overrides.map(\.description) == ["layers 0=f32"])
        }
        #expect(message("ballanced")?.contains("did you mean 'balanced'?") == true)
    }

    @Test func anErrorNamesTheClause() {
        #expect(message("f16; recnt=64")?.contains("'recnt=64' is no clause; did you mean 'recent'?") == true)
        #expect(
            message("nf4; recent=64k")
                == "cache 'nf4; recent=64k': in 'recent=64k', '64k' is no number of tokens; write for example recent=64"
        )
        #expect(
            message("nf4; sinks=40000")
                == "cache 'nf4; sinks=40000': in 'sinks=40000', 40000 tokens are more than a window may have; the most is "
                + "32768, or store f16")
        #expect(message("nf4; sinks=1; sinks=1")?.hasSuffix("sinks is given twice; give it once") == true)
        #expect(message("f16; layers 0=nf44")?.contains("in 'layers 0=nf44', 'nf44' is not a cache codec") == true)
        #expect(message("f16; layers 0-x=f16")?.contains("'0-x' is no list of layers") == true)
    }

    @Test func partsAreReplacedOneByOne() throws {
        let base = try CacheConfiguration(parsing: "nf4; recent=64; layers 0=f16")
        #expect(try base.replacing(keys: "F32").description == "K=f32,V=nf4/b256; layers 0=f16; recent=64")
        #expect(try base.replacing(values: "f16").keys == "nf4/b256")
        #expect(throws: CodecError.self) { try base.replacing(keys: "f31") }
    }
}

/// How the clauses reach the layers.
@Suite struct LayerPlanTests {
    private func plan(_ text: String, layers: Int = 6) throws -> CachePlan {
        try CacheFixture(text, shape: shape(layers: layers, kvHeads: 2, headSize: 32, group: 1)).plan
    }

    private func refusal(_ text: String, layers: Int = 6) -> String? {
        let error = #expect(throws: CacheError.self) { try plan(text, layers: layers) }
        #expect(error?.reason == .impossibleLayer)
        return error?.description
    }

    @Test func overridesReachTheirLayersAndSayWhy() throws {
        let plan = try plan("nf4; layers 0-1,-1=f16; layers 3=K=f32,V=nf4/b32")
        #expect(plan.layers.map(\.keyName) == ["f16", "f16", "nf4/b256", "f32", "nf4/b256", "f16"])
        #expect(plan.layers.map(\.valueName) == ["f16", "f16", "nf4/b256", "nf4/b32", "nf4/b256", "f16"])
        let first = "layers 0-1,-1=f16"
        #expect(plan.layers.map(\.deviation) == [first, first, nil, "layers 3=K=f32,V=nf4/b32", nil, first])
        #expect(plan.layerGroups.map(\.layers) == [0...1, 2...2, 3...3, 4...4, 5...5])
        #expect(plan.bitsPerValueK == 88.5 / 6)
        #expect(plan.bitsPerValueV == 61.0 / 6)
    }

    @Test func layersThatTheModelDoesNotHaveAreRefused() {
        #expect(
            refusal("nf4; layers 6=f16")
                == "layer 6: this model has layers 0 to 5, or -6 to -1 counted from the end; the nearest is 5")
        #expect(refusal("nf4; layers 0--7=f16")?.hasSuffix("the nearest is -6") == true)
        #expect(
            refusal("nf4; layers 3-2=f16")
                == "layers 3-2: layer 3 comes after layer 2 of this model; write the lower one first")
        #expect(refusal("nf4; layers -1-0=f16")?.contains("layer 5 comes after layer 0") == true)
    }

    @Test func aLayerNamedTwiceIsRefused() throws {
        #expect(
            refusal("nf4; layers 0-5=f16; layers -1=f32")
                == "layer 5: 'layers 0-5=f16' and 'layers -1=f32' both name it; name it once")
        #expect(refusal("nf4; layers 0,0=f16") == "layer 0: 'layers 0,0=f16' names it twice; name it once")
        // It is another layer of a longer model.
        _ = try plan("nf4; layers 0-5=f16; layers -1=f32", layers: 7)
    }

    @Test func windowsAreForPartsThatArePacked() throws {
        let plan = try plan("K=f16,V=nf4; layers 0=nf4; layers 1=f32; recent=K:10,V:20; sinks=V:3")
        #expect(plan.layers.map { $0.exactKeys?.tokens.recent } == [10, nil, nil, nil, nil, nil])
        #expect(plan.layers.map { $0.exactValues?.tokens.recent } == [20, nil, 20, 20, 20, 20])
        #expect(plan.layers[0].exactKeys?.tokens.sinks == 0 && plan.layers[0].exactValues?.tokens.sinks == 3)
        // One part of keys and five of values, 64 tokens of 64 values in two bytes each.
        #expect(plan.windowPageBytes == 6 * 64 * 64 * 2)
        #expect(plan.warnings.isEmpty)
    }

    @Test func aWindowWithoutEffectIsMentioned() throws {
        #expect(try plan("f16; recent=64").warnings.count == 2)
        #expect(
            try plan("K=f32,V=nf4; recent=64; sinks=K:3").warnings
                == ["no effect of recent and sinks on keys: every layer stores them as floats already"])
        #expect(try plan("K=f32,V=nf4; recent=V:64").warnings.isEmpty)
        #expect(try plan("f16; layers 5=nf4; recent=64").warnings.isEmpty)
        #expect(try plan("f16; recent=64").windowPageBytes == 0)
    }
}
