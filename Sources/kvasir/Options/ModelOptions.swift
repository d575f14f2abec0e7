import ArgumentParser
import Foundation
import KvasirEngine
import KvasirHub
import KvasirNumerics

/// Which model.
struct ModelOptions: ParsableArguments {
    @Option(
        name: [.customLong("model"), .customShort("m")],
        help: ArgumentHelp(
            "A name that 'kvasir models' lists, hf:OWNER/REPO[:FILE], or the path of a GGUF file or a model folder. Fetched on first use.",
            valueName: "model"))
    var model = ModelCatalog.builtIn.defaultModel.name

    func reference() throws -> ModelReference { try ModelReference(model) }
}

/// The model store of this environment, with progress on standard error.
struct ModelFetcher {
    let store: ModelStore

    init() throws {
        store = try ModelStore(environment: ProcessInfo.processInfo.environment)
    }

    /// Returns the model on this machine, and fetches it first if need be; Ctrl-C stops the transfer.
    func fetch(_ reference: ModelReference, interrupts: Interrupts) async throws -> StoredModel {
        if let model = try store.resolve(reference) { return model }
        let progress = ProgressPrinter()
        let transfer = Task { [store] in try await store.pull(reference, progress: progress.handler) }
        interrupts.begin { transfer.cancel() }
        defer { interrupts.end() }
        do {
            let model = try await transfer.value
            progress.finish(model.name)
            return model
        } catch {
            progress.abandon()
            if interrupts.isRaised { throw Interruption(message: String(describing: error)) }
            throw error
        }
    }
}

extension StoredModel {
    /// Loads the model; what only the start of the program needed goes out of memory.
    func load(
        weights: WeightScheme = .file, calibrations: [String] = [], threads: ThreadPool
    ) throws -> LanguageModel {
        let model = try LanguageModel(path: path, weights: weights, calibrations: calibrations, threads: threads)
        ProcessMemory.releaseCode()
        return model
    }
}
