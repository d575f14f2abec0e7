import KvasirCache
import KvasirEngine
import KvasirHub
import KvasirModels
import KvasirNumerics

/// Everything an engine takes but the model itself.
///
/// Made before a model is looked for, so that a command line that makes no sense fetches nothing.
struct EngineSettings {
    let reference: ModelReference
    let cache: CacheConfiguration
    let weights: WeightScheme
    let calibrations: [String]
    var cacheBudget: Int?
    let contextLength: Int?
    let threads: ThreadPool
    let instructionSet: InstructionSet
    var precision = LinearPrecision.int8
    /// Kernels of the cache alone; as `instructionSet` if nil.
    var cacheInstructionSet: InstructionSet?

    init(
        _ model: ModelOptions, _ weights: WeightOptions, _ cache: CacheOptions, _ compute: ComputeOptions,
        contextLength: Int?
    ) throws {
        self.weights = weights.weights
        self.cache = try cache.configuration()
        calibrations = cache.statistics.calibration
        cacheBudget = try cache.budget()
        self.contextLength = contextLength
        instructionSet = try compute.instructionSet()
        threads = try compute.threadPool()
        reference = try model.reference()
    }

    /// Fetches the model if need be, and loads it.
    func load(interrupts: Interrupts) async throws -> InferenceEngine {
        try load(try await fetch(interrupts: interrupts))
    }

    /// Fetches the model if need be.
    func fetch(interrupts: Interrupts) async throws -> StoredModel {
        try await ModelFetcher().fetch(reference, interrupts: interrupts)
    }

    /// Loads a model that is on this machine.
    func load(_ file: StoredModel) throws -> InferenceEngine {
        let engine = try InferenceEngine(
            model: file.load(weights: weights, calibrations: calibrations, threads: threads), cache: cache,
            contextLength: contextLength, cacheBudget: cacheBudget ?? .max, threads: threads,
            instructionSet: instructionSet, precision: precision,
            cacheInstructionSet: cacheInstructionSet)
        engine.plan.noteWarnings()
        return engine
    }
}
