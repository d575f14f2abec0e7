import Foundation
import KvasirCache
import KvasirEngine
import KvasirModels
import KvasirNumerics

/// Tiny random models; they lie with the tests of their layer.
enum TinyModel {
    static func engine(
        _ name: String = "tied", cache: String = "f32", contextLength: Int? = nil, precision: LinearPrecision = .int8
    ) throws -> InferenceEngine {
        let path = URL(filePath: #filePath).appending(
            path: "../../../KvasirModelsTests/Fixtures/tiny-\(name).gguf")
        let threads = try ThreadPool()
        return try InferenceEngine(
            model: LanguageModel(path: path.standardized.path, threads: threads),
            cache: CacheConfiguration(parsing: cache), contextLength: contextLength, threads: threads,
            instructionSet: .best, precision: precision)
    }
}

/// A file that is removed afterwards.
func withTemporaryFile<Value>(_ body: (String) throws -> Value) rethrows -> Value {
    let path = NSTemporaryDirectory() + "kvasir-evaluation-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}
