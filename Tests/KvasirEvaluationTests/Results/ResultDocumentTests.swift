import Foundation
import Testing

@testable import KvasirEvaluation

struct ResultDocumentTests {
    private struct Measured: Codable, Equatable {
        var value: Double
        var count: Int
        var missing: Int?
        var names = ["a", "\"<&>/ü"]
    }

    private func document(_ results: Measured) throws -> ResultDocument {
        try ResultDocument(
            kind: .perplexity, kvasirVersion: "1.2.3", created: Date(timeIntervalSince1970: 1_790_000_000.75),
            command: ["kvasir", "evaluate"], machine: .init(instructionSet: "generic", threads: 2), model: nil,
            settings: ["context": 512], results: results)
    }

    @Test("What is written comes back, every double bit for bit")
    func roundTrip() throws {
        for value in [0.1 + 0.2, 28.75319746217, 5e-324, 1e300, 3, -0.5] {
            let measured = Measured(value: value, count: 7)
            let written = try document(measured)
            let read = try withTemporaryFile { path in
                try written.write(to: path)
                return try ResultDocument(decoding: EvaluationFile.read(path), name: path)
            }
            #expect(read == written)
            #expect(try read.results(as: Measured.self) == measured)
            #expect(try read.settings(as: [String: Int].self) == ["context": 512])
            #expect(read.created == Date(timeIntervalSince1970: 1_790_000_000))
        }
    }

    @Test("The file is one line of JSON that says what it is")
    func form() throws {
        let text = String(decoding: try document(Measured(value: 1.5, count: 2)).encoded(), as: UTF8.self)
        #expect(text.hasSuffix("}\n") && text.filter { $0 == "\n" }.count == 1)
        #expect(text.contains(#""format":"kvasir-result""#) && text.contains(#""version":1"#))
        #expect(text.contains(#""created":"2026-09-21T14:13:20Z""#))
    }

    @Test("A number that is not finite is refused")
    func notFinite() throws {
        for value in [Double.nan, .infinity] {
            #expect(throws: EvaluationError.self) { try document(Measured(value: value, count: 0)) }
        }
    }

    @Test(
        "What is no result of this version is refused, naming file, what was found and what is expected",
        arguments: [
            (
                #"{"format":"kvasir-result","version":2,"kvasirVersion":"9.0.0"}"#,
                ["r.json", "version 2", "version 1", "9.0.0"]
            ),
            (#"{"format":"kvasir-result"}"#, ["r.json", "version none", "version 1"]),
            (#"{"format":"kvasir-run","version":1}"#, ["r.json", "'kvasir-run'", "'kvasir-result'"]),
            (#"{"perplexity":3}"#, ["r.json", "without a format", "'kvasir-result'"]),
            (#"{"format":"kvasir-result","version":1}"#, ["r.json", "'kind' is missing"]),
            (#"{"format":"kvasir-result","version":"1"}"#, ["r.json", "version"]),
            ("[1,2]", ["r.json", "no result file"]), ("", ["r.json", "no result file"]),
            ("\u{0}\u{1}GGUF", ["r.json", "no JSON"]),
        ])
    func refusals(text: String, says: [String]) throws {
        let error = #expect(throws: EvaluationError.self) {
            try ResultDocument(decoding: Array(text.utf8), name: "r.json")
        }
        for word in says { #expect(error?.description.contains(word) == true, "\(String(describing: error))") }
    }

    @Test("Results of another form are refused with the place")
    func otherForm() throws {
        let document = try document(Measured(value: 1, count: 2))
        let error = #expect(throws: EvaluationError.self) { try document.results(as: PerplexityReport.self) }
        #expect(error?.description.contains("perplexity") == true && error?.description.contains("missing") == true)
    }

    @Test("Files that cannot be written are refused before and after")
    func unwritable() throws {
        #expect(throws: EvaluationError.self) { try EvaluationFile.checkWritable("/") }
        let error = #expect(throws: EvaluationError.self) { try EvaluationFile.checkWritable("/no/where/x.json") }
        #expect(error?.description.contains("/no/where") == true)
        #expect(throws: EvaluationError.self) { try EvaluationFile.write([1], to: "/no/where/x.json") }
        #expect(throws: EvaluationError.self) { try EvaluationFile.read("/no/where/x.json") }
        #expect(
            EvaluationFile.sha256(Array("abc".utf8))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
