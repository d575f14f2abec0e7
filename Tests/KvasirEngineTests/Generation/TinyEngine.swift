import Foundation
import KvasirCache
import KvasirEngine
import KvasirNumerics

/// Makes an engine of the tiny random model that the tests of the command line use.
func tinyEngine(
    cache: String = "nf4", contextLength: Int? = nil, cacheBudget: Int = .max
) throws -> InferenceEngine {
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let threads = try ThreadPool(threadCount: 1)
    return try InferenceEngine(
        model: LanguageModel(
            path: tests.appending(path: "KvasirCommandTests/Fixtures/tiny.gguf").path, threads: threads),
        cache: CacheConfiguration(parsing: cache), contextLength: contextLength, cacheBudget: cacheBudget,
        threads: threads, instructionSet: .best)
}
