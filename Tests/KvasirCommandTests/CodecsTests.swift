import Foundation
import KvasirCodecs
import Testing

/// `kvasir codecs`.
struct CodecsTests {
    @Test("Every codec of the registry is listed with its bits")
    func everyCodec() async throws {
        let outcome = try await Program.with {
            try await $0.run("codecs", "--kv-heads", "2", "--head-size", "64", "--json")
        }
        #expect(outcome.status == 0 && outcome.error.isEmpty)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        let codecs = try #require(object["codecs"] as? [[String: Any]])
        #expect(codecs.compactMap { $0["name"] as? String } == CodecRegistry.families.flatMap(\.members).map(\.name))
        let float = try #require(codecs.first { $0["name"] as? String == "f16" })
        #expect(float["bitsPerValueK"] as? Double == 16 && float["windowK"] as? Int == 0)
        #expect(float["keySpace"] as? String == "after rotary" && float["needsCalibration"] as? Bool == false)
        #expect((object["presets"] as? [Any])?.count == 6)
    }

    @Test("A codec that does not take the heads says why; the others are listed all the same")
    func oddHeads() async throws {
        let outcome = try await Program.with { try await $0.run("codecs", "--head-size", "60") }
        #expect(outcome.status == 0)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("f16 ") && $0.contains("16.000") })
        #expect(lines.contains { $0.hasPrefix("nf4/b256 ") && $0.contains("multiples of 16") })
    }

    @Test("The environment sets the cache, the command line overrides it, and a mistake in it is always told")
    func environment() async throws {
        func run(_ value: String, _ arguments: [String] = []) async throws -> Program.Outcome {
            try await Program.with { program in
                var program = program
                program.environment["KVASIR_CACHE"] = value
                return try await program.run(["explain", "--model", Program.tinyModel] + arguments)
            }
        }
        #expect(try await run("f16; recent=0").output.contains("cache  f16\n"))
        #expect(try await run("nf4/b32; recent=9", ["-ctk", "f32"]).output.contains("K=f32,V=nf4/b32; recent=9"))
        #expect(try await run("f16", ["--cache", "f32"]).output.contains("cache  f32\n"))
        #expect(try await run("").output.contains("cache  nf4/b256/rot\n"))
        for arguments in [[], ["--cache", "f16"]] {
            let outcome = try await run("nf5", arguments)
            #expect(outcome.status == 2)
            #expect(outcome.message.hasPrefix("kvasir: KVASIR_CACHE: cache 'nf5'"))
        }
    }

    @Test("Windows and layers are explained")
    func explained() async throws {
        let outcome = try await Program.with {
            try await $0.run(
                "explain", "--model", Program.tinyModel, "--cache", "nf4; layers -1=f16; recent=64; sinks=V:4")
        }
        #expect(outcome.status == 0)
        let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(lines.contains("0 K nf4/b256 4.500 = 4.000 + 0.500 last 64"))
        #expect(lines.contains("V nf4/b256 4.500 = 4.000 + 0.500 first 4, last 64"))
        #expect(lines.contains("1 K f16 16.000 = 16.000 + 0.000 nothing layers -1=f16"))
        #expect(lines.contains { $0.hasPrefix("window ") })
    }
}
