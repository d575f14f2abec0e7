import Foundation
import KvasirEngine
import Testing

@testable import KvasirEvaluation

/// Files that are not as they should be.
struct TaskFileTests {
    private static let good: [String: String] = [
        "piqa": #"{"goal":"g","sol1":"a","sol2":"b","label":1}"#,
        "winogrande": #"{"sentence":"x _ y","option1":"a","option2":"b","answer":"1"}"#,
        "hellaswag": #"{"activity_label":"l","ctx_a":"a","ctx_b":"b","endings":["c","d"],"label":"1"}"#,
        "arc_easy": #"{"question":"q","choices":{"text":["a","b","c"],"label":["1","2","3"]},"answerKey":"3"}"#,
        "arc_challenge": #"{"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"A"}"#,
        "rte": #"{"sentence1":"s","sentence2":"t","label":0}"#,
        "boolq": #"{"question":"q","passage":"p","label":1,"idx":7}"#,
    ]

    private func read(_ name: String, _ text: String, limit: Int? = nil) throws -> TaskFile {
        try TaskFile(ZeroShotTask(named: name), lines: Array(text.utf8), name: "\(name).jsonl", limit: limit)
    }

    private func refusal(_ name: String, _ text: String) -> String? {
        do {
            _ = try read(name, text)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: ZeroShotTask.all.map(\.name))
    func linesAreCountedAndTheLimitIsKept(name: String) throws {
        let line = try #require(Self.good[name])
        #expect(try read(name, line).items.count == 1, "the last line needs no end")
        #expect(try read(name, "\(line)\r\n\(line)\n").items.map(\.id) == [0, 1])
        #expect(try read(name, "\(line)\n{\n", limit: 1).items.count == 1, "what is not read is not checked")
        let message = try #require(refusal(name, "\(line)\n{\n"))
        #expect(message.contains("\(name).jsonl, line 2") && message.contains("no JSON"))
    }

    @Test(arguments: [
        ("piqa", #"{"goal":"g","sol1":"a","label":1}"#, "no field sol2"),
        ("piqa", #"{"goal":"g","sol1":"a","sol2":"b","label":"1"}"#, "field label: expected an integer"),
        ("piqa", #"{"goal":"g","sol1":"a","sol2":"b","label":true}"#, "field label: expected an integer"),
        ("piqa", #"{"goal":"g","sol1":"a","sol2":"b","label":0.5}"#, "field label: expected an integer"),
        ("piqa", #"{"goal":"g","sol1":"a","sol2":"b","label":2}"#, "label 2"),
        ("piqa", #"{"goal":"g","sol1":"a","sol2":"b","label":-1}"#, "label -1"),
        ("piqa", #"{"goal":null,"sol1":"a","sol2":"b","label":1}"#, "field goal is null"),
        ("piqa", #"{"goal":7,"sol1":"a","sol2":"b","label":1}"#, "field goal: expected a string"),
        ("piqa", "[1]", "the line: expected an object"),
        ("piqa", "\u{0}", "no JSON"),
        ("piqa", #"{"goal":"\ud800","sol1":"a","sol2":"b","label":1}"#, "piqa.jsonl, line 1"),
        ("piqa", "\n" + #"{"goal":"g","sol1":"a","sol2":"b","label":1}"#, "line 1: nothing: remove the empty line"),
        ("winogrande", #"{"sentence":"x y","option1":"a","option2":"b","answer":"1"}"#, "without '_'"),
        ("winogrande", #"{"sentence":"x _","option1":"a","option2":"b","answer":"3"}"#, "answer \"3\""),
        ("winogrande", #"{"sentence":"x _","option1":"a","option2":"b","answer":1}"#, "expected a string"),
        (
            "hellaswag", #"{"activity_label":"l","ctx_a":"a","ctx_b":"b","endings":["c","d"],"label":"2"}"#,
            "label 2: this line has 2 choices"
        ),
        (
            "hellaswag", #"{"activity_label":"l","ctx_a":"a","ctx_b":"b","endings":["c","d"],"label":""}"#,
            "label \"\""
        ),
        (
            "hellaswag", #"{"activity_label":"l","ctx_a":"a","ctx_b":"b","endings":["c",4],"label":"0"}"#,
            "field endings[1]: expected a string"
        ),
        (
            "hellaswag", #"{"activity_label":"l","ctx_a":"a","ctx_b":"b","endings":"c","label":"0"}"#,
            "field endings: expected a list"
        ),
        (
            "arc_easy", #"{"question":"q","choices":{"text":["a"],"label":["A","B"]},"answerKey":"A"}"#,
            "1 choices with 2 labels"
        ),
        (
            "arc_easy", #"{"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"C"}"#,
            "answerKey \"C\": the labels are A, B"
        ),
        ("arc_easy", #"{"question":"q","choices":{"text":[]},"answerKey":"C"}"#, "no field choices.label"),
        ("rte", #"{"sentence1":"s","sentence2":"t","label":2}"#, "label 2"),
        ("boolq", #"{"question":"q","passage":["p"],"label":1}"#, "field passage: expected a string"),
    ])
    func theLineAndTheFaultAreNamed(task: String, line: String, expected: String) throws {
        let message = try #require(refusal(task, line))
        #expect(message.contains("\(task).jsonl, line 1: ") && message.contains(expected), "\(message)")
    }

    @Test func emptyFilesUnknownTasksAndImpossibleLimitsAreRefused() throws {
        #expect(refusal("piqa", "")?.contains("piqa.jsonl: is empty") == true)
        #expect(refusal("piqa", "\n")?.contains("line 1") == true)
        let unknown = #expect(throws: EvaluationError.self) { try ZeroShotTask(named: "lambada") }
        #expect(unknown?.description.contains("'lambada'") == true)
        #expect(unknown?.description.contains("piqa, winogrande, hellaswag") == true)
        #expect(throws: EvaluationError.self) { try read("rte", "{}", limit: 0) }
        let missing = #expect(throws: EvaluationError.self) {
            try TaskFile(ZeroShotTask(named: "rte"), directory: "/nonexistent")
        }
        #expect(missing?.description.contains("/nonexistent/rte.jsonl") == true)
    }

    @Test func whatCannotBeScoredIsRefusedWithItsLine() throws {
        let engine = try TinyModel.engine(cache: "f16")
        // A context of nothing but white space leaves no token to predict from.
        let blank = try read(
            "winogrande", #"{"sentence":"_ x","option1":" ","option2":"b","answer":"1"}"#)
        let error = #expect(throws: EvaluationError.self) {
            try PlannedTask(blank, model: engine.model, contextLength: 64)
        }
        #expect(error?.description.contains("winogrande.jsonl, line 1") == true)
        let long = try read("rte", Self.good["rte"] ?? "")
        #expect(throws: EvaluationError.self) { try PlannedTask(long, model: engine.model, contextLength: 2) }
    }

    @Test func longContextsAreCutFromTheLeft() throws {
        let tokenizer = try TinyModel.engine(cache: "f16").model.tokenizer
        let request = TaskRequest(context: "abcdefgh", continuation: "xyz")
        let whole = try RequestTokens(request, tokenizer: tokenizer, contextLength: 10)
        // The last token is predicted and not read: eleven tokens fit a context of ten.
        #expect(whole.input.count == 10 && whole.firstScored == 7 && !whole.isTruncated)
        let cut = try RequestTokens(request, tokenizer: tokenizer, contextLength: 4)
        #expect(cut.isTruncated && cut.firstScored == 1)
        #expect(cut.input == Array(whole.input.suffix(4)) && cut.continuation == whole.continuation)
    }
}
