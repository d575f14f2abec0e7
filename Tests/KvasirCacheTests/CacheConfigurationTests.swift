import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirCache

@Suite struct CacheConfigurationTests {
    private func message(_ text: String) -> String? {
        let error = #expect(throws: CacheError.self) { try CacheConfiguration(parsing: text) }
        #expect(error?.reason == .malformedConfiguration)
        #expect(error?.received == text)
        return error?.description
    }

    @Test func whatIsPrintedParsesBack() throws {
        let names = CodecRegistry.families.flatMap(\.members).map(\.name)
        for keys in names {
            for values in names {
                let configuration = try CacheConfiguration(keys: keys, values: values)
                #expect(configuration.keys == keys && configuration.values == values)
                #expect(try CacheConfiguration(parsing: configuration.description) == configuration)
                #expect(configuration.description == (keys == values ? keys : "K=\(keys),V=\(values)"))
            }
        }
        #expect(try CacheConfiguration(parsing: CacheConfiguration.default.description) == .default)
    }

    @Test(arguments: [
        ("nf4", "nf4/b256"), ("NF4", "nf4/b256"), ("nf4/b64", "nf4/b64"), ("NF4/B64", "nf4/b64"), (" f16 ", "f16"),
        ("K=f16,V=f16", "f16"), ("K=nf4,V=nf4/b256", "nf4/b256"), ("K=f16,V=nf4", "K=f16,V=nf4/b256"),
        ("v=nf4/b32,k=F16", "K=f16,V=nf4/b32"), ("  k = f32 , v = nf4 / b128 ", "K=f32,V=nf4/b128"),
        ("nf4;recent=64", "nf4/b256; recent=64"), ("nf4; SINKS=4; Recent=64", "nf4/b256; recent=64; sinks=4"),
        ("nf4;recent=K:64,V:64", "nf4/b256; recent=64"), ("nf4; recent = v : 9", "nf4/b256; recent=V:9"),
        ("nf4;recent=V:128,K:64;sinks=K:0", "nf4/b256; recent=K:64,V:128"), ("nf4; recent=0; sinks=0", "nf4/b256"),
        ("f16; Layers 0 - 1, -1 = nf4", "f16; layers 0-1,-1=nf4/b256"),
        ("f16;layers3-3=nf4/b64", "f16; layers 3=nf4/b64"),
        ("f16; layers -2--1 = K=nf4,V=f32", "f16; layers -2--1=K=nf4/b256,V=f32"),
        ("nf4; sinks=1; layers 0=f16; layers 0--2=f32", "nf4/b256; layers 0=f16; layers 0--2=f32; sinks=1"),
        ("nf4;\trecent=64", "nf4/b256; recent=64"),
    ])
    func everySpellingHasOneCanonicalForm(text: String, canonical: String) throws {
        #expect(try CacheConfiguration(parsing: text).description == canonical)
    }

    @Test func theDefaultIsTheBalancedPreset() throws {
        #expect(CacheConfiguration.default.description == "nf4/b256/rot")
        #expect(try CacheConfiguration(parsing: "balanced") == .default)
    }

    @Test func anUnknownCodecIsRefusedWithTheNearest() {
        #expect(
            message("nf44")
                == "cache 'nf44': 'nf44' is not a cache codec; did you mean 'nf4'? The codecs are "
                + CodecRegistry.families.map(\.name).joined(separator: ", "))
        #expect(message("K=f17,V=nf4")?.contains("'f17' is not a cache codec; did you mean 'f16'?") == true)
        #expect(message("K=f16,V=zstandard")?.contains("'zstandard' is not a cache codec; the codecs are") == true)
    }

    @Test func anUnknownParameterIsRefusedWithThePermittedOnes() {
        #expect(
            message("K=f16,V=nf4/b48")
                == "cache 'K=f16,V=nf4/b48': 'b48' is not a parameter of this codec; nf4 takes one of b256, b128, "
                + "b64, b32, head and one of s16, s32, rot and center, each at most once")
        #expect(message("f16/b64")?.hasSuffix("f16 takes no parameter but rot and center") == true)
    }

    @Test func aMissingSideIsNamed() {
        #expect(
            message("K=f16")
                == "cache 'K=f16': V is missing; write for example K=f16,V=nf4, or one codec for both")
        #expect(message("V=f16")?.contains("K is missing") == true)
    }

    @Test func aSideGivenTwiceIsRefused() {
        #expect(
            message("K=f16,V=nf4,k=f32")
                == "cache 'K=f16,V=nf4,k=f32': K is given twice; give each of K and V once")
    }

    @Test func aPartThatIsNeitherSideIsNamed() {
        #expect(
            message("K=f16,X=nf4")
                == "cache 'K=f16,X=nf4': 'X=nf4' is neither K=CODEC nor V=CODEC; write for example K=f16,V=nf4")
        #expect(message("K=f16,V=nf4,")?.contains("'' is neither") == true)
        #expect(message("K=f16,nf4")?.contains("'nf4' is neither") == true)
        #expect(message("=")?.contains("'=' is neither") == true)
    }

    @Test(arguments: [
        "", " ", ",", "f16,nf4", "K=", "K=,V=", "K=V=f16", "K=f16;V=nf4", "=f16", "K==f16,V=f16", "nf4//b64", "/", "🦆",
        "K", "kv=f16", "f16;", ";f16", "f16;;recent=1", "recent=64", "f16; recent", "f16; recent=", "f16; recent=-1",
        "f16; recent=1e3", "f16; recent=٣", "f16; recent=K:1,K:2", "f16; recent=K:1,2", "f16; recent=X:1",
        "f16; sinks=4=4",
        "f16; recent=1; recent=1", "f16; sinks=99999999999999999999", "f16; layers", "f16; layers =f16",
        "f16; layers 0",
        "f16; layers 1-=f16", "f16; layers a=f16", "f16; layers 0,=f16", "f16; layers -0=f16", "f16; layers 0=",
        "f16; layers 0=K=f16", "f16; layers 0=nf5", "f16; nf4", "balanced=f16",
        "f16; layers 99999999999999999999=f16",
    ])
    func garbageIsRefusedInOneLine(text: String) throws {
        let refusal = try #require(message(text))
        #expect(!refusal.contains("\n"))
        #expect(refusal.hasPrefix("cache '\(text)': "))
        // What to do: an example, or what there is.
        #expect(refusal.contains("f16") || refusal.contains("nf4"))
    }
}

@Suite struct CachePlanTests {
    @Test func anImpossibleHeadSizeNamesLayerPartReasonAndTheNearest() {
        let shape = KvasirCacheTests.shape(layers: 4, kvHeads: 2, headSize: 60, group: 1)
        func error(_ text: String) -> CacheError? {
            #expect(throws: CacheError.self) {
                try CachePlan(CacheConfiguration(parsing: text), shape: shape, instructionSet: .generic)
            }
        }
        let keys = error("nf4")
        #expect(keys?.reason == .impossibleLayer)
        #expect(
            keys?.description
                == "layer 0, K=nf4/b256: head size 60 is not supported by this codec; it takes multiples of 16 (the "
                + "nearest is 64); f16 takes every head size")
        #expect(error("K=f16,V=nf4/b64")?.description.hasPrefix("layer 0, V=nf4/b64: head size 60 ") == true)
    }

    @Test(arguments: ["f32", "f16"])
    func theFloatCodecsTakeEveryHeadSize(configuration: String) throws {
        for headSize in [1, 7, 60, 256] {
            let shape = KvasirCacheTests.shape(kvHeads: 2, headSize: headSize, group: 1)
            _ = try CacheFixture(configuration, shape: shape)
        }
    }

    @Test(arguments: CodecRegistry.families.compactMap(\.members.first).map(\.name))
    func aVectorBeyondTheLongestIsRefused(configuration: String) throws {
        let longest = PageGeometry.longestVector / 128
        _ = try CacheFixture(configuration, shape: shape(kvHeads: longest, headSize: 128, group: 1))
        let error = #expect(throws: CacheError.self) {
            try CacheFixture(configuration, shape: shape(kvHeads: longest + 1, headSize: 128, group: 1))
        }
        #expect(error?.reason == .impossibleLayer)
        #expect(error?.description.contains("1 to \(PageGeometry.longestVector) values") == true)
    }

    @Test func everyLayerHasTheCodecsThatWereAskedFor() throws {
        let plan = try CacheFixture(
            "K=f16,V=nf4/b32", shape: shape(layers: 5, kvHeads: 2, headSize: 32, group: 2)
        ).plan
        #expect(plan.layers.map(\.index) == Array(0..<5))
        #expect(plan.layers.allSatisfy { $0.keyName == "f16" && $0.valueName == "nf4/b32" })
        #expect(plan.configuration.description == "K=f16,V=nf4/b32")
    }
}
