import Foundation
import KvasirCache
import KvasirEngine
import KvasirModels
import Testing

@testable import KvasirEvaluation

struct RunJournalTests {
    private static let fingerprint = RunFingerprint(kind: .perplexity, parts: ["model": "m 12", "context": "64"])

    private func open(_ path: String, _ fingerprint: RunFingerprint = Self.fingerprint) throws -> RunJournal {
        try RunJournal(path: path, fingerprint: fingerprint)
    }

    private func contents(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8)
    }

    @Test("Units come back bit for bit, and new ones are added after them")
    func units() throws {
        let values = [0.1 + 0.2, -5e-324, 1e300, 3]
        try withTemporaryFile { path in
            do {
                let journal = try open(path)
                #expect(journal.resumedCount == 0)
                try journal.add("a", values)
                #expect(try journal.value(of: "a") == values)
            }
            let journal = try open(path)
            #expect(journal.resumedCount == 1)
            #expect(try journal.value(of: "a") == values)
            #expect(try journal.value(of: "b", as: [Double].self) == nil)
            try journal.add("b", [1.0])
            #expect(try contents(path).split(separator: "\n").count == 3)
            #expect(throws: EvaluationError.self) { try journal.value(of: "a", as: String.self) }
            #expect(throws: EvaluationError.self) { try journal.add("c", [Double.nan]) }
        }
    }

    @Test("Wherever a crash cuts the file off, what was whole before is kept and the rest is done again")
    func cutOff() throws {
        let whole = try withTemporaryFile { path in
            let journal = try open(path)
            try journal.add("a", 1)
            try journal.add("b", 2)
            return try Data(contentsOf: URL(filePath: path))
        }
        let header = try #require(whole.firstIndex(of: 10)) + 1
        let first = try #require(whole[header...].firstIndex(of: 10)) + 1
        for length in 0...whole.count {
            try withTemporaryFile { path in
                try whole.prefix(length).write(to: URL(filePath: path))
                do {
                    let journal = try open(path)
                    #expect(journal.resumedCount == (length < first ? 0 : length < whole.count ? 1 : 2))
                    if try journal.value(of: "a", as: Int.self) == nil { try journal.add("a", 1) }
                    if try journal.value(of: "b", as: Int.self) == nil { try journal.add("b", 2) }
                }
                #expect(try Data(contentsOf: URL(filePath: path)) == whole)
            }
        }
    }

    @Test("The journal of another run is refused, naming both sides")
    func otherRun() throws {
        try withTemporaryFile { path in
            do { try open(path).add("a", 1) }
            let before = try contents(path)
            for (other, says) in [
                (
                    RunFingerprint(kind: .perplexity, parts: ["model": "m 12", "context": "128"]),
                    ["context", "'64'", "'128'"]
                ),
                (RunFingerprint(kind: .perplexity, parts: ["model": "m 12"]), ["context", "'64'", "'none'"]),
                (RunFingerprint(kind: .needle, parts: Self.fingerprint.parts), ["kind", "'perplexity'", "'needle'"]),
            ] {
                let error = #expect(throws: EvaluationError.self) { try open(path, other) }
                for word in says { #expect(error?.description.contains(word) == true, "\(String(describing: error))") }
            }
            #expect(try contents(path) == before)
        }
    }

    @Test(
        "What is no journal is refused and left as it is",
        arguments: [
            "a text", "a text\n", "{}\n", #"{"format":"kvasir-result","version":1}"# + "\n",
            #"{"format":"kvasir-run","version":7}"# + "\n", #"{"format":"kvasir-run","version":1}"# + "\n", "\n",
        ])
    func noJournal(text: String) throws {
        try withTemporaryFile { path in
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: EvaluationError.self) { try open(path) }
            #expect(error?.description.contains(path) == true)
            #expect(try contents(path) == text)
        }
    }

    @Test("A malformed line in the middle is named")
    func malformedLine() throws {
        try withTemporaryFile { path in
            do { try open(path).add("a", 1) }
            try (try contents(path) + "what\n" + #"{"key":"b","value":1}"# + "\n")
                .write(toFile: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: EvaluationError.self) { try open(path) }
            #expect(error?.description.contains("line 3") == true)
        }
    }

    @Test("Two runs do not share a journal")
    func inUse() throws {
        try withTemporaryFile { path in
            let journal = try open(path)
            let error = #expect(throws: EvaluationError.self) { try open(path) }
            #expect(error?.description.contains("in use") == true)
            try journal.add("a", 1)
        }
        #expect(throws: EvaluationError.self) { try open("/no/where/journal") }
    }

    #if os(Linux)
    /// A process that is being started has all descriptors until it runs its program.
    @Test("A journal is free when its run has ended, whoever else has its descriptor")
    func freeAfterwards() throws {
        try withTemporaryFile { path in
            var copies: [CInt] = []
            do {
                let journal = try open(path)
                for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
                    let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
                    if link == path, let descriptor = CInt(name) { copies.append(dup(descriptor)) }
                }
                try journal.add("a", 1)
            }
            #expect(!copies.isEmpty)
            #expect(try open(path).resumedCount == 1)
            for copy in copies { close(copy) }
        }
    }
    #endif

    // MARK: Runs

    /// Runs `body` interrupted after every count of units in turn, each time going on from what is there.
    private func interrupted<Value>(path: String, _ body: (EvaluationRun) throws -> Value) throws -> Value {
        for step in 1... {
            var computed = 0
            let run = EvaluationRun(
                journal: try open(path),
                isCancelled: {
                    computed += 1
                    return computed > 2
                },
                onProgress: { #expect($0.finished <= $0.total) })
            do {
                let value = try body(run)
                #expect(step > 1, "the run was never interrupted")
                return value
            } catch let cancelled as EvaluationCancelled {
                #expect(cancelled.finished == 2 * step)
                #expect(step < 100)
            }
        }
        fatalError("unreachable")
    }

    @Test(
        "A perplexity that was interrupted again and again is that of one run, bit for bit",
        arguments: [WindowForm.separate, .strided(24)])
    func perplexityResumes(form: WindowForm) throws {
        let engines = try ["f16", "nf4"].map { try TinyModel.engine(cache: $0) }
        let evaluation = try PerplexityEvaluation(context: 64, windows: 4, form: form)
        let expected = try evaluation.run(text: PerplexityTests.text, engines: engines)
        let resumed = try withTemporaryFile { path in
            try interrupted(path: path) { try evaluation.run(text: PerplexityTests.text, engines: engines, run: $0) }
        }
        #expect(resumed == expected)
        #expect(resumed[0] != resumed[1])
    }

    @Test("A divergence that was interrupted again and again is that of one run, bit for bit")
    func divergenceResumes() throws {
        let engines = try ["f16", "nf4", "nf2"].map { try TinyModel.engine(cache: $0, precision: .float32) }
        let evaluation = try DivergenceEvaluation(context: 64, windows: 5)
        func report(_ run: EvaluationRun) throws -> DivergenceReport {
            let (reference, subjects) = try evaluation.run(
                text: PerplexityTests.text, reference: engines[0], subjects: Array(engines[1...]), run: run)
            return DivergenceReport(
                reference: engines[0].plan.configuration, reference, results: subjects,
                plans: engines[1...].map(\.plan))
        }
        let expected = try report(EvaluationRun())
        let resumed = try withTemporaryFile { path in try interrupted(path: path, report) }
        #expect(resumed == expected)
    }
}
