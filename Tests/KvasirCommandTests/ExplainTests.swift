import Foundation
import Testing

/// `kvasir explain` with the tiny model: 2 layers of 2 KV heads with 16 channels.
struct ExplainTests {
    private static let arguments = ["explain", "--model", Program.tinyModel]

    @Test("Bits and bytes follow from the shape", arguments: [("f32", 32.0), ("f16", 16.0), ("nf4", 4.5)])
    func figures(codec: String, bits: Double) async throws {
        let outcome = try await Program.with {
            try await $0.run(Self.arguments + ["--cache", codec, "--context", "100", "--json"])
        }
        #expect(outcome.status == 0)
        #expect(outcome.error.isEmpty)
        let object = try object(outcome)
        // 2 layers, K and V, 32 values.
        #expect(object["bytesPerToken"] as? Double == 128 * bits / 8)
        #expect(object["f16BytesPerToken"] as? Int == 256)
        let layers = try #require(object["layers"] as? [[String: Any]])
        #expect(layers.count == 1)
        #expect(layers[0]["first"] as? Int == 0 && layers[0]["last"] as? Int == 1)
        let keys = try #require(layers[0]["keys"] as? [String: Any])
        #expect(keys["bitsPerValue"] as? Double == bits)
        #expect(keys["codeBits"] as? Double == bits.rounded(.down))
        #expect(keys["scaleBits"] as? Double == bits - bits.rounded(.down))
        let cache = try #require(object["cache"] as? [String: Any])
        #expect(cache["context"] as? Int == 100)
        #expect(cache["cacheBytes"] as? Int == Int(128 * 128 * bits / 8))
        #expect(cache["f16Bytes"] as? Int == 128 * 256)
    }

    @Test("Keys and values are told apart, and layers that are alike are taken together")
    func text() async throws {
        let outcome = try await Program.with {
            try await $0.run(Self.arguments + ["-ctk", "f16", "-ctv", "nf4/b32", "--context", "64"])
        }
        #expect(outcome.status == 0)
        let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(lines.contains("0-1 K f16 16.000 = 16.000 + 0.000"))
        #expect(lines.contains("V nf4/b32 4.500 = 4.000 + 0.500"))
        #expect(lines.contains("cache K=f16,V=nf4/b32"))
        #expect(lines.contains { $0.hasPrefix("1 164 bytes 256 bytes 1.56") })
    }

    @Test("A budget says how much context it holds, also if it holds too little")
    func budget() async throws {
        try await Program.with { program in
            let page = 64 * 128 * 9 / 16
            for (budget, tokens) in [(page - 1, 0), (page, 64), (10 * page + 5, 640)] {
                let outcome = try await program.run(
                    Self.arguments + ["--context", "640", "--cache-budget", "\(budget)", "--json"])
                let object = try #require(try object(outcome)["budget"] as? [String: Any])
                #expect(object["bytes"] as? Int == budget)
                #expect(object["tokens"] as? Int == tokens)
                #expect(object["holdsContext"] as? Bool == (tokens >= 640))
                let text = try await program.run(Self.arguments + ["--cache-budget", "\(budget)"])
                #expect(text.status == 0 && text.output.contains("that fit"))
            }
        }
    }

    @Test("Weights that cannot be used do not keep a plan from being made")
    func readsNoWeights() async throws {
        try await Program.with { program in
            var bytes = [UInt8](try Data(contentsOf: URL(filePath: Program.tinyModel)))
            // Same length, so that every offset stays: a tensor that a load would miss.
            let name = try #require(bytes.firstRange(of: Array("blk.1.ffn_down".utf8)))
            bytes.replaceSubrange(name, with: "blk.1.ffn_lost".utf8)
            let path = "\(program.home)/damaged.gguf"
            try Data(bytes).write(to: URL(filePath: path))
            #expect(try await program.run("explain", "--model", path).status == 0)
            #expect(try await program.run("generate", "a", "--model", path).status == 1)
        }
    }
}
