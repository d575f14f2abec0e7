import Foundation
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirHub
import KvasirNumerics

/// What every evaluation does before and after its own work.
struct EvaluationSession {
    let kind: ResultKind
    let options: EvaluationOptions
    /// The caches to measure.
    let caches: [CacheConfiguration]
    /// How linear layers multiply.
    let linear: LinearOption
    let threads: ThreadPool
    let instructionSet: InstructionSet
    /// Kernels of the cache alone; as `instructionSet` if nil.
    var cacheInstructionSet: InstructionSet?

    private let reference: ModelReference
    private let interrupts = Interrupts()

    /// Checks everything that needs no model, so that a command line that makes no sense fetches nothing.
    ///
    /// - Parameters:
    ///   - kind: what is measured.
    ///   - options: what the user gave.
    ///   - defaultCaches: measured where the user names none; f16 and the default cache if nil.
    ///   - defaultLinear: used where the user names none.
    init(
        _ kind: ResultKind, _ options: EvaluationOptions, defaultCaches: [CacheConfiguration]? = nil,
        defaultLinear: LinearOption = .int8
    ) throws {
        self.kind = kind
        self.options = options
        caches = try options.cache.isEmpty ? defaultCaches ?? Self.defaultCaches : options.cache.configurations()
        // 8-bit activations were asked for with the weights.
        linear = options.linear ?? (options.weights.weights == .file ? defaultLinear : .int8)
        instructionSet = try options.compute.instructionSet()
        threads = try options.compute.threadPool()
        reference = try options.model.reference()
        try options.result.check()
        if let resume = options.resume { try EvaluationFile.checkWritable(resume) }
    }

    /// f16 and the default cache.
    static var defaultCaches: [CacheConfiguration] {
        get throws { [try CacheConfiguration(parsing: "f16"), .default] }
    }

    /// Fetches the model if need be, and loads it.
    func load() async throws -> LanguageModel {
        let file = try await ModelFetcher().fetch(reference, interrupts: interrupts)
        return try file.load(
            weights: options.weights.weights, calibrations: options.statistics.calibration, threads: threads)
    }

    /// The model with a cache.
    func engine(
        _ model: LanguageModel, cache: CacheConfiguration, contextLength: Int?
    ) throws -> InferenceEngine {
        let engine = try InferenceEngine(
            model: model, cache: cache, contextLength: contextLength, threads: threads, instructionSet: instructionSet,
            precision: linear.precision, cacheInstructionSet: cacheInstructionSet)
        engine.plan.noteWarnings()
        return engine
    }

    /// The model with each of the caches to measure.
    func engines(_ model: LanguageModel, contextLength: Int?) throws -> [InferenceEngine] {
        try caches.map { try engine(model, cache: $0, contextLength: contextLength) }
    }

    /// The model with the cache that exact prompts run beside; nil if they are to read the cache.
    func exactEngine(
        _ model: LanguageModel, prefill: PrefillAttention, contextLength: Int?
    ) throws -> InferenceEngine? {
        guard prefill == .exact else { return nil }
        return try engine(model, cache: CacheConfiguration(parsing: "f32"), contextLength: contextLength)
    }

    /// Measures, with the journal, the progress and the end by Ctrl-C that the user expects.
    ///
    /// - Parameters:
    ///   - model: what is measured.
    ///   - settings: everything that changes the result beside model and caches, hashes of the data included.
    ///   - unit: what the measurement consists of, in the singular.
    ///   - body: the measurement.
    func measure<Value>(
        _ model: ModelDescription, settings: some Encodable, unit: String = "window",
        _ body: (EvaluationRun) throws -> Value
    ) throws -> Value {
        let journal = try options.resume.map { path in
            try RunJournal(
                path: path,
                fingerprint: RunFingerprint(
                    kind: kind, kvasirVersion: Version.current,
                    instructionSet: (cacheInstructionSet ?? instructionSet).rawValue, model: model,
                    caches: caches.map(\.description), settings: settings))
        }
        if let journal, journal.resumedCount > 0 {
            Console.note("kvasir: going on after \(journal.resumedCount) that \(journal.path) has")
        }
        let bar = ProgressBar(unit: unit)
        interrupts.begin()
        defer { interrupts.end() }
        let run = EvaluationRun(
            journal: journal, isCancelled: { interrupts.isRaised }, onProgress: { bar.update($0) })
        do {
            let value = try body(run)
            bar.finish()
            return value
        } catch let error {
            bar.finish()
            guard let cancelled = error as? EvaluationCancelled else { throw error }
            let done = "interrupted after \(cancelled.finished) of \(cancelled.total) \(unit)s"
            throw Interruption(
                message: journal.map { "\(done); the same command goes on from \($0.path)" }
                    ?? "\(done); nothing is kept without --resume FILE")
        }
    }

    /// Prints a result, and writes it where the user wants it.
    func deliver(
        _ model: ModelDescription, settings: some Encodable, results: some Encodable, text: String
    ) throws {
        try options.result.deliver(
            ResultDocument(
                kind: kind, settings: settings, results: results, model: model, instructionSet: instructionSet,
                threads: threads),
            text: text)
    }
}

extension ResultDocument {
    /// The result of this command line, made now.
    init(
        kind: ResultKind, settings: some Encodable, results: some Encodable, model: ModelDescription?,
        instructionSet: InstructionSet, threads: ThreadPool
    ) throws(EvaluationError) {
        try self.init(
            kind: kind, kvasirVersion: Version.current, created: Date(),
            command: ["kvasir"] + CommandLine.arguments.dropFirst(),
            machine: MachineDescription(instructionSet: instructionSet.rawValue, threads: threads.threadCount),
            model: model, settings: settings, results: results)
    }
}
