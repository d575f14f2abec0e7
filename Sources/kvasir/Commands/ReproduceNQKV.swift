import ArgumentParser
import Foundation
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirHub
import KvasirModels
import KvasirNumerics

/// `kvasir reproduce nqkv`.
struct ReproduceNQKV: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nqkv",
        abstract: "Remakes the experiments of the NQKV paper.",
        discussion: """
            Share of memory that the cache takes (figures 1, 2), distributions of keys and values (3, 4), their normality \
            (table 1), zero-shot accuracy (2, from a result of 'kvasir evaluate tasks'), the same on 8-bit weights and activations (3, from \
            another), throughput and peak memory without \
            a cache, with f16 and with four bits (4, figures 8, 9). Beside ours stand the published figures, and a sentence \
            on what agrees. Without a cache every step really recomputes all tokens. Written are nqkv.md, and result files \
            that 'kvasir report' reads. An interrupted run goes on when the same command is given again.
            """)

    @Option(
        help: ArgumentHelp(
            "The folder of evaluation data; the text is wikitext-2-raw/wiki.test*.raw in it.", valueName: "folder"),
        completion: .directory)
    var data: String

    @Option(
        help: ArgumentHelp("The folder for the results; it is made if need be.", valueName: "folder"),
        completion: .directory)
    var output: String

    @Option(help: ArgumentHelp("The cache that stands for the paper's.", valueName: "spec"))
    var cache = "nf4/b256"

    @Option(
        name: [.customLong("context"), .customShort("c")],
        help: ArgumentHelp("Tokens whose keys and values are tested.", valueName: "tokens"))
    var context = 1024

    @Option(help: ArgumentHelp("Sequences that generate together, separated by commas.", valueName: "count,..."))
    var batches: Numbers = [8, 32]

    @Option(help: ArgumentHelp("Tokens of their prompts, separated by commas.", valueName: "tokens,..."))
    var lengths: Numbers = [128, 512]

    @Option(
        help: ArgumentHelp(
            "Tokens that each generates; the paper's generate \(PublishedNQKV.generatedTokens).", valueName: "count"))
    var tokens = 64

    @Option(
        help: ArgumentHelp("A result of 'kvasir evaluate tasks' of this model, for table 2.", valueName: "file"),
        completion: .file())
    var tasks: String?

    @Option(
        help: ArgumentHelp(
            "A result of 'kvasir evaluate tasks --weights w8a8' of this model, for table 3.", valueName: "file"),
        completion: .file())
    var smoothquantTasks: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    /// The paper's block size.
    private static let blockSize = 256
    /// Sizes of the shares of memory, which take no time.
    private static let shareBatches = [1, 8, 32, 64, 128]
    private static let shareLengths = [128, 512, 2048, 8192]

    func validate() throws {
        do throws(EvaluationError) {
            _ = try serving()
            _ = try normality()
        } catch {
            throw ValidationError(error.description)
        }
    }

    private func serving() throws(EvaluationError) -> ServingBenchmark {
        try ServingBenchmark(batches: batches.values, lengths: lengths.values, tokens: tokens)
    }

    private func normality() throws(EvaluationError) -> NormalityEvaluation {
        try NormalityEvaluation(context: context, units: [.token, .block(Self.blockSize)])
    }

    func run() async throws {
        let (serving, normality) = (try serving(), try normality())
        let plain = try CacheConfiguration(parsing: "f16")
        let small = try CacheConfiguration(parsing: cache)
        guard plain != small else {
            throw UsageError(message: "--cache f16 is what the paper's cache is compared with: give another")
        }
        let instructionSet = try compute.instructionSet()
        let threads = try compute.threadPool()
        let reference = try model.reference()
        let (textName, text) = try Self.text(in: data)
        let folder = try OutputFolder(output)
        let interrupts = Interrupts()
        let file = try await ModelFetcher().fetch(reference, interrupts: interrupts)
        let loaded = try LanguageModel(path: file.path, threads: threads)
        let description = try ModelDescription(loaded, caches: [small])
        func document(_ path: String) throws -> (document: ResultDocument, name: String) {
            (try ResultDocument(decoding: EvaluationFile.read(path), name: path), path)
        }
        let accuracies = try tasks.map { path in
            try NQKVAccuracy.read(document(path).document, name: path, model: description)
        }
        let smoothQuant = try smoothquantTasks.map { path in
            try NQKVSmoothQuant(rounded: document(path), float: tasks.map { try document($0) }, model: description)
        }
        func engine(_ cache: CacheConfiguration, _ precision: LinearPrecision = .int8) throws -> InferenceEngine {
            try InferenceEngine(
                model: loaded, cache: cache, threads: threads, instructionSet: instructionSet, precision: precision)
        }
        let observed = try engine(CacheConfiguration(parsing: "f32"), .float32)
        let engines = try [engine(plain), engine(small)]
        let settings = NQKVSettings(
            text: textName, textSHA256: EvaluationFile.sha256(text), cache: small.description,
            blockSize: Self.blockSize, context: context, shareBatches: Self.shareBatches,
            shareLengths: Self.shareLengths, serving: serving, linear: LinearOption.int8.rawValue)
        let experiments = Experiments(
            journal: try RunJournal(
                path: folder.path(of: "journal.jsonl"),
                fingerprint: RunFingerprint(
                    kind: .nqkv, kvasirVersion: Version.current, instructionSet: instructionSet.rawValue,
                    model: description, caches: engines.map(\.plan.configuration.description), settings: settings)),
            interrupts: interrupts)

        let sample = try experiments.measure("single token") { run in
            run.begin(units: 1)
            return try run.unit("single token") {
                try SingleTokenSample(text: text, engine: observed, blockSize: Self.blockSize)
            }
        }
        let rows = try experiments.measure("window") { try normality.run(text: text, engine: observed, run: $0) }
        let served = try experiments.measure("batch") { run in
            try serving.run(text: text, engines: engines, recomputing: engines[0], run: run)
        }
        let shares = CacheShare.table(
            plans: engines.map(\.plan), weightBytes: loaded.decoder.weightBytes, batches: Self.shareBatches,
            lengths: Self.shareLengths)
        let report = NQKVReport(
            shares: shares, sample: sample, normality: rows, accuracies: accuracies ?? [],
            smoothQuant: smoothQuant, serving: served,
            cache: small.description)

        func write(_ name: String, _ kind: ResultKind, _ settings: some Encodable, _ results: some Encodable) throws {
            try ResultDocument(
                kind: kind, settings: settings, results: results, model: description, instructionSet: instructionSet,
                threads: threads
            ).write(to: folder.path(of: name))
        }
        try write("nqkv.json", .nqkv, settings, report)
        try write(
            "normality.json", .normality,
            NormalitySettings(
                normality, text: textName, textSHA256: settings.textSHA256, linear: LinearOption.float32.rawValue),
            NormalityReport(rows))
        try write(
            "throughput.json", .throughput,
            ThroughputSettings(
                repeats: 1, neighbours: 0, depths: [], prompts: lengths.values, batches: batches.values),
            ThroughputReport(
                weightBytes: loaded.decoder.weightBytes, memoryBandwidth: MemoryBandwidth.measure(threads: threads),
                loadingPeak: nil, cells: served.map { ThroughputReport.Cell($0) }))
        try write("memory.json", .memory, settings, MemoryReport(shares))
        let page = NQKVPage(report, settings: settings, model: description).text
        try EvaluationFile.write(Array(page.utf8), to: folder.path(of: "nqkv.md"))
        Console.write(page)
        try Console.check()
    }

    /// The text of the paper's experiments, and its name.
    private static func text(in folder: String) throws -> (name: String, bytes: [UInt8]) {
        let texts = URL(filePath: folder).appending(path: "wikitext-2-raw")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: texts.path)) ?? []
        guard let name = names.filter({ $0.hasPrefix("wiki.test") && $0.hasSuffix(".raw") }).min() else {
            throw CommandFailure(
                message: "no wikitext-2-raw/wiki.test*.raw in \(folder): give the folder of the evaluation data")
        }
        return (name, try EvaluationFile.read(texts.appending(path: name).path))
    }
}

/// Experiments one after the other, with one journal.
private struct Experiments {
    let journal: RunJournal
    let interrupts: Interrupts

    /// Carries one out, with a bar of its own and the end by Ctrl-C that the user expects.
    func measure<Value>(_ unit: String, _ body: (EvaluationRun) throws -> Value) throws -> Value {
        let bar = ProgressBar(unit: unit)
        interrupts.begin()
        defer {
            interrupts.end()
            bar.finish()
        }
        let run = EvaluationRun(
            journal: journal, isCancelled: { interrupts.isRaised }, onProgress: { bar.update($0) })
        do {
            return try body(run)
        } catch let error as EvaluationCancelled {
            throw Interruption(
                message: "interrupted after \(unit) \(error.finished) of \(error.total); the same command goes on from "
                    + journal.path)
        }
    }
}

/// The folder that results go to.
private struct OutputFolder {
    private let folder: URL

    /// Makes the folder if need be.
    init(_ path: String) throws(CommandFailure) {
        folder = URL(filePath: path)
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(message: "cannot make the folder \(path): \(error.localizedDescription)")
        }
    }

    func path(of name: String) -> String { folder.appending(path: name).path }
}
