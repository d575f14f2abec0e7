import ArgumentParser
import Foundation
import KvasirEngine
import KvasirEvaluation
import KvasirModels

/// `kvasir evaluate tasks`.
struct EvaluateTasks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tasks",
        abstract: "Measures accuracy on seven multiple-choice tasks.",
        discussion: """
            PIQA, WinoGrande, HellaSwag, ARC (easy and challenge), RTE and BoolQ, asked without examples, with the prompts, \
            the scoring and the metrics of lm-evaluation-harness 0.4.13. Every cache answers the same items; beside each but \
            the first stands the change against the first, item by item, with its standard error. What the choices of an \
            item have in common is computed once.
            """)

    @Option(
        help: ArgumentHelp(
            "Tasks, separated by commas: \(ZeroShotTask.all.map(\.name).joined(separator: ", ")). (default: all)",
            valueName: "names"))
    var task: String?

    @Option(
        help: ArgumentHelp(
            "The folder with a file of JSON lines for each task, piqa.jsonl for piqa.", valueName: "folder"),
        completion: .directory)
    var data: String

    @Option(help: ArgumentHelp("The first items of each task only.", valueName: "count"))
    var limit: Int?

    @Option(
        name: [.customLong("context"), .customShort("c")],
        help: ArgumentHelp(
            "The most tokens the model reads; longer items are cut from the left. (default: the model's own limit)",
            valueName: "tokens"))
    var context: Int?

    @Option(
        help: ArgumentHelp(
            "What the attention of contexts reads: the cache, or their own keys and values (exact).",
            valueName: "source"))
    var prefill = PrefillOption.cache

    @Option(
        help: ArgumentHelp("Writes the answers to every item as JSON lines.", valueName: "file"), completion: .file())
    var log: String?

    @OptionGroup var evaluation: EvaluationOptions

    func validate() throws {
        do throws(EvaluationError) {
            try TaskEvaluation.check(tasks())
        } catch {
            throw ValidationError("--task: \(error.description)")
        }
        if let limit, limit < 1 { throw ValidationError("--limit is \(limit): score at least 1 item") }
        if let context, context < 1 { throw ValidationError("--context is \(context): give at least 1 token") }
    }

    private func tasks() throws(EvaluationError) -> [ZeroShotTask] {
        guard let task else { return ZeroShotTask.all }
        var tasks: [ZeroShotTask] = []
        for name in task.split(separator: ",", omittingEmptySubsequences: false) {
            tasks.append(try ZeroShotTask(named: name.trimmingCharacters(in: .whitespaces)))
        }
        return tasks
    }

    func run() async throws {
        let session = try EvaluationSession(.tasks, evaluation)
        if let log { try EvaluationFile.checkWritable(log) }
        let files = try tasks().map { try TaskFile($0, directory: data, limit: limit) }
        let loaded = try await session.load()
        let length = try InferenceEngine.contextLength(context, for: loaded.decoder.info)
        let tasks = try TaskEvaluation(
            files.map { try PlannedTask($0, model: loaded, contextLength: length) })
        let engines = try session.engines(loaded, contextLength: length)
        let exact = try session.exactEngine(loaded, prefill: prefill.attention, contextLength: length)
        let settings = TaskSettings(
            tasks: files, limit: limit, context: length, linear: session.linear.rawValue, prefill: prefill.attention)
        let model = try ModelDescription(loaded, caches: session.caches)
        let scores = try session.measure(model, settings: settings, unit: "item") { run in
            try tasks.run(engines: engines, exact: exact, run: run)
        }
        let report = TaskReport(scores, plans: engines.map(\.plan))
        if let log {
            try EvaluationFile.write(TaskLog.lines(scores, caches: report.caches.map(\.cache)), to: log)
        }
        try session.deliver(
            model, settings: settings, results: report, text: TaskTable(report, settings, model: model).text)
    }
}
