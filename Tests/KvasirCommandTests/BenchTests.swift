import Foundation
import Testing

/// `kvasir bench` with the tiny random model.
struct BenchTests {
    @Test("Every cell is timed with every cache, and the bytes are those of its sequences")
    func cells() async throws {
        let outcome = try await Program.with {
            try await $0.run(
                "bench", "--model", Program.tinyModel, "--depth", "0,100", "--prompt", "70", "--batch", "2", "--repeat",
                "2", "--cache", "f16,K=f16,V=nf4", "--json")
        }
        #expect(outcome.status == 0)
        let report = try #require(try object(outcome)["results"] as? [String: Any])
        let results = try #require(report["cells"] as? [[String: Any]])
        let names = results.map {
            "\($0["test"] ?? "") \($0["tokens"] ?? "") \($0["sequences"] ?? "") \($0["cache"] ?? "")"
        }
        #expect(
            names == [
                "decode 0 1 f16", "decode 0 1 K=f16,V=nf4/b256", "decode 100 1 f16", "decode 100 1 K=f16,V=nf4/b256",
                "prefill 70 1 f16", "prefill 70 1 K=f16,V=nf4/b256", "batch 512 2 f16",
                "batch 512 2 K=f16,V=nf4/b256",
            ])
        // 2 layers of 32 values a token; 16 and 16, or 16 and 4.5 bits.
        let page = (f16: 64 * 2 * 128, mixed: 64 * 2 * 82)
        #expect(
            results.map { $0["cacheBytes"] as? Int } == [
                page.f16, page.mixed, 3 * page.f16, 3 * page.mixed, 2 * page.f16, 2 * page.mixed, 20 * page.f16,
                20 * page.mixed,
            ])
        for result in results {
            let median = try #require(result["median"] as? Double)
            #expect(median > 0)
            #expect(try #require(result["minimum"] as? Double) <= median)
            #expect(try #require(result["maximum"] as? Double) >= median)
            // The caches were there together, so no peak is any one's own.
            #expect(result["peak"] == nil)
            #expect(result["besideNeighbours"] == nil)
        }
        #expect(report["loadingPeak"] == nil)
    }

    @Test("What the sequences of a batch share is held once, and read once at the limit")
    func sharedPrompt() async throws {
        try await Program.with { program in
            func cells(_ arguments: [String]) async throws -> [[String: Any]] {
                let outcome = try await program.run(
                    ["bench", "--model", Program.tinyModel, "--depth", "none", "--prompt", "none", "--batch", "4"]
                        + ["--repeat", "2", "--cache", "f16,nf4; recent=64,qaq", "--json"] + arguments)
                #expect(outcome.status == 0)
                let report = try #require(try object(outcome)["results"] as? [String: Any])
                return try #require(report["cells"] as? [[String: Any]])
            }
            let (own, shared) = (try await cells([]), try await cells(["--shared-prompt"]))
            #expect(shared.map { $0["test"] as? String } == ["shared-batch", "shared-batch", "shared-batch"])
            #expect(shared[0]["sequences"] as? Int == 4 && shared[0]["tokens"] as? Int == 512)
            // Prompts of 8 pages, 2 pages of each sequence.
            let page = 64 * 2 * 128
            #expect(own[0]["cacheBytes"] as? Int == 40 * page && shared[0]["cacheBytes"] as? Int == 16 * page)
            for (own, shared) in zip(own, shared) {
                let bytes = (own["cacheBytes"] as? Int ?? 0, shared["cacheBytes"] as? Int ?? .max)
                #expect(bytes.1 < bytes.0)
            }
            // On average 576.5 tokens of each of four sequences, or 512 once and 64.5 of each. The bits of 'qaq' are not the
            // same in both, because shared pages keep theirs.
            for (own, shared) in zip(own, shared).prefix(2) {
                let read = (try traffic(own), try traffic(shared))
                #expect(abs(read.1 / read.0 - (512 + 4 * 64.5) / (4 * (512 + 64.5))) < 1e-9)
            }
            let alone = try await program.run(["bench", "--model", Program.tinyModel, "--shared-prompt"])
            #expect(alone.status == 2)
            #expect(alone.message.contains("--batch"))
        }
    }

    /// Bytes of cache that a step reads.
    private func traffic(_ cell: [String: Any]) throws -> Double {
        try #require(cell["cacheBandwidth"] as? Double) / #require(cell["median"] as? Double)
    }

    @Test("What memory permits is said of every decode, and follows from the bytes")
    func limits() async throws {
        let outcome = try await Program.with {
            try await $0.run(
                "bench", "--model", Program.tinyModel, "--depth", "100", "--prompt", "70", "--batch", "2", "--repeat",
                "1", "--cache", "f16", "--json")
        }
        #expect(outcome.status == 0)
        let report = try #require(try object(outcome)["results"] as? [String: Any])
        let bandwidth = try #require(report["memoryBandwidth"] as? Double)
        let weights = try #require(report["weightBytes"] as? Double)
        #expect(bandwidth > 1e8 && bandwidth < 1e13, "bytes in a second")
        let results = try #require(report["cells"] as? [[String: Any]])
        try #require(results.count == 3)
        // 128 bytes a token; a sequence of n tokens generates m, which find n + 1 to n + m tokens.
        for (result, sequences, tokens) in [(results[0], 1.0, 100 + 16.5), (results[2], 2.0, 512 + 64.5)] {
            let median = try #require(result["median"] as? Double)
            let limit = try #require(result["limit"] as? Double)
            let read = sequences * tokens * 256
            #expect(abs(limit / (sequences * bandwidth / (weights + read)) - 1) < 1e-6)
            #expect(abs(try #require(result["limitShare"] as? Double) / (median / limit) - 1) < 1e-6)
            let rate = try #require(result["cacheBandwidth"] as? Double)
            #expect(abs(rate / (median / sequences * read) - 1) < 1e-6)
        }
        #expect(results[1]["limit"] == nil && results[1]["cacheBandwidth"] == nil)
        for result in results {
            let peak = try #require(result["peak"] as? [String: Any])
            #expect(try #require(peak["bytes"] as? Int) > 1 << 20)
            #expect(["measurement", "process"].contains(peak["of"] as? String))
        }
        #expect(report["loadingPeak"] != nil)
    }

    @Test("Beside busy neighbours every cell is timed again, and the share that is kept is theirs")
    func neighbours() async throws {
        let arguments = [
            "bench", "--model", Program.tinyModel, "--depth", "0", "--prompt", "none", "--repeat", "2", "--cache",
            "nf4",
            "--neighbours", "1",
        ]
        let (json, table) = try await Program.with {
            (try await $0.run(arguments + ["--json"]), try await $0.run(arguments))
        }
        #expect(json.status == 0 && table.status == 0)
        let document = try object(json)
        #expect((document["settings"] as? [String: Any])?["neighbours"] as? Int == 1)
        let report = try #require(document["results"] as? [String: Any])
        let results = try #require(report["cells"] as? [[String: Any]])
        try #require(results.count == 1)
        let crowded = try #require(results[0]["besideNeighbours"] as? [String: Any])
        #expect(Set(crowded.keys) == ["median", "minimum", "maximum"])
        let kept = try #require(results[0]["keptShare"] as? Double)
        let ratio = try #require(crowded["median"] as? Double) / #require(results[0]["median"] as? Double)
        #expect(abs(kept / ratio - 1) < 1e-6)
        // Every line of the table has the columns of the heading.
        let lines = table.output.split(separator: "\n").filter { $0.hasPrefix("|") }
        #expect(lines.count == 3)
        #expect(lines.first?.contains("| beside 1 busy | kept | peak MiB |") == true)
        #expect(Set(lines.map { $0.filter { $0 == "|" }.count }).count == 1)
    }

    @Test("Several caches show no peak, and say why")
    func peakOfSeveral() async throws {
        let outcome = try await Program.with {
            try await $0.run(
                "bench", "--model", Program.tinyModel, "--depth", "0", "--prompt", "none", "--repeat", "1", "--cache",
                "nf4", "--cache", "f16,f32")
        }
        #expect(outcome.status == 0)
        #expect(!outcome.output.contains("peak MiB"))
        #expect(outcome.output.contains("give one cache at a time"))
        #expect(outcome.output.split(separator: "\n").filter { $0.hasPrefix("| decode after 0 ") }.count == 3)
    }

    @Test(
        "What cannot be timed is refused before anything is run",
        arguments: [
            (["--depth=-1"], 2, "depth -1"), (["--depth", "many"], 2, "--depth"), (["--repeat", "0"], 2, "0 repeats"),
            (["--batch", "0"], 2, "batch of 0"), (["--batch", "4097"], 2, "use 1 to 4096"),
            (["--neighbours=-1"], 2, "-1 neighbours"), (["--neighbours", "1025"], 2, "use 0 to 1024"),
            (["--neighbours", "some"], 2, "--neighbours"), (["--prompt", "1,,2"], 2, "--prompt"),
            (["--cache", "nf44"], 2, "nf4"), (["--cache", "f16,K=f16"], 2, "V is missing"),
            (["--cache", "f16,"], 2, "codec"), (["--threads", "0"], 2, "0 threads"),
            (["--threads=-2"], 2, "-2 threads"), (["--threads", "100000"], 2, "100000 threads"),
            // The tiny model is made for 32,768 tokens.
            (["--depth", "32768"], 1, "use at most 32736"), (["--prompt", "32769"], 1, "use at most 32768"),
            (["--depth", "9223372036854775807"], 1, "use at most 32736"),
        ])
    func refusals(arguments: [String], status: Int32, message: String) async throws {
        let outcome = try await Program.with { try await $0.run(["bench", "--model", Program.tinyModel] + arguments) }
        #expect(outcome.status == status)
        #expect(outcome.output.isEmpty)
        #expect(outcome.message.contains(message), "\(outcome.message)")
    }

    @Test("An instruction set that does not exist is refused")
    func unknownInstructionSet() async throws {
        let outcome = try await Program.with { program in
            var program = program
            program.environment["KVASIR_ISA"] = "mmx"
            return try await program.run("bench", "--model", Program.tinyModel)
        }
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.message.contains("KVASIR_ISA") && outcome.message.contains("'mmx'"))
    }
}
