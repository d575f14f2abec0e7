import KvasirCodecs
import KvasirNumerics
import Testing

@Suite struct CodecRegistryTests {
    @Test func everyMemberParsesBackFromItsName() throws {
        for member in CodecRegistry.families.flatMap(\.members) {
            #expect(try CodecRegistry.codec(named: member.name).name == member.name)
        }
        #expect(try CodecRegistry.codec(named: "NF4").name == "nf4/b256")
        #expect(try CodecRegistry.codec(named: "lm3").name == "lm3/b128")
    }

    @Test func anUnknownNameSuggestsTheNearest() {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "nf44") }
        let all = CodecRegistry.families.map(\.name).joined(separator: ", ")
        #expect(error?.description == "'nf44' is not a cache codec; did you mean 'nf4'? The codecs are \(all)")
        let far = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "zstandard") }
        #expect(far?.description == "'zstandard' is not a cache codec; the codecs are \(all)")
    }

    @Test(arguments: [
        ("nf4/s32/b64", "nf4/b64/s32"), ("nf3/rot/b32", "nf3/b32/rot"), ("lm2/s16/head", "lm2/head"),
        ("q4_0/ROT", "q4_0/rot"), ("f32/rot", "f32/rot"), ("nf4/rot/s32", "nf4/b256/s32/rot"),
        ("kivi2", "kivi2/g32/r128"), ("KIVI4/r64/rot/g64", "kivi4/g64/r64/rot"), ("kivi4/r256", "kivi4/g32/r256"),
    ])
    func parametersComeInAnyOrder(received: String, canonical: String) throws {
        #expect(try CodecRegistry.codec(named: received).name == canonical)
        #expect(try CodecRegistry.codec(named: canonical).name == canonical)
    }

    @Test func aRefusedParameterNamesThePermittedOnes() {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "nf4/b48") }
        #expect(
            error?.description
                == "'b48' is not a parameter of this codec; nf4 takes one of b256, b128, b64, b32, head and one of s16, s32, "
                + "rot and center, each at most once")
    }

    @Test(arguments: [
        "nf4/b48", "nf4/", "nf4/b64/b32", "f16/b64", "nf4/b64/b64", "lm4/s32/s16", "lm1/rot/rot", "q4_0/b64",
        "bf16/s32", "kivi4/g64/r32", "kivi4/g16", "kivi2/b32", "kivi2/r100", "kivi2/g32/g32", "kivi2/128",
    ])
    func unknownParametersAreRefused(name: String) {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: name) }
        #expect(error?.reason == .unknownParameter)
    }

    @Test func aResidualThatDoesNotConsistOfGroupsIsRefused() {
        let error = #expect(throws: CodecError.self) { try CodecRegistry.codec(named: "kivi4/r32/g64") }
        #expect(
            error?.description
                == "'r32' is not a parameter of this codec; with g64 the tokens in f16 are a multiple of 64: write r64")
    }

    @Test func impossibleHeadSizesNameTheNearestPossible() throws {
        let codec = try CodecRegistry.codec(named: "nf4")
        let error = #expect(throws: CodecError.self) {
            _ = try codec.keys(shape: HeadShape(kvHeads: 2, headSize: 60), instructionSet: .generic)
        }
        #expect(
            error?.description
                == "head size 60 is not supported by this codec; it takes multiples of 16 (the nearest is 64); "
                + "f16 takes every head size")
    }
}
