import Foundation
import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirModels
import KvasirNumerics

/// Engines on the committed models; scripts/fixtures/make-tiny-llama.py makes them.
enum TinyModel: String, CaseIterable, Sendable {
    case tied, separate, quantized

    struct Text: Decodable {
        let text: String
        let ids: [Int32]
    }

    /// What the reference implementation was given, and how it went on.
    struct Description: Decodable {
        let prompt: [Int32]
        let continuation: [Int32]
        let texts: [Text]
    }

    /// The models lie with the tests of the layer below.
    private func url(_ fileExtension: String) -> URL {
        URL(filePath: #filePath).appending(
            path: "../../../KvasirModelsTests/Fixtures/tiny-\(rawValue).\(fileExtension)"
        ).standardized
    }

    func description() throws -> Description {
        try JSONDecoder().decode(Description.self, from: Data(contentsOf: url("json")))
    }

    func load(calibrations: [String] = []) throws -> LanguageModel {
        try LanguageModel(path: url("gguf").path, calibrations: calibrations, threads: ThreadPool())
    }

    /// Writes the random codebooks that a cache needs.
    private func writeCalibrations(for cache: CacheConfiguration) throws -> [String] {
        try cache.calibrations.compactMap { kind in
            guard case .coupled(let scheme, let space) = kind else { return nil }
            let model = try load()
            let statistics = try ModelStatistics.random(for: cache, shape: model.decoder.info.cacheShape, rotary: [])
            let path = FileManager.default.temporaryDirectory.appending(path: "\(kind.name)-\(UUID()).safetensors").path
            try CoupledCalibration(
                scheme: scheme, keySpace: space, origin: model.calibrationOrigin(source: "random numbers", tokens: 1),
                settings: [:], layers: statistics.codebooks[kind] ?? []
            ).write(to: path)
            return path
        }
    }

    func engine(
        cache: String = "f32", contextLength: Int? = nil, cacheBudget: Int = .max,
        precision: LinearPrecision = .float32
    ) throws -> InferenceEngine {
        let threads = try ThreadPool()
        let cache = try CacheConfiguration(parsing: cache)
        let calibrations = try writeCalibrations(for: cache)
        defer { for path in calibrations { try? FileManager.default.removeItem(atPath: path) } }
        return try InferenceEngine(
            model: load(calibrations: calibrations), cache: cache, contextLength: contextLength,
            cacheBudget: cacheBudget, threads: threads, instructionSet: .best, precision: precision)
    }
}

/// Ordinary tokens without any order, the same ones on every machine.
func scatteredTokens(_ count: Int, seed: UInt32 = 1) -> [Int32] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return 3 + Int32(state >> 8) % 264
    }
}

extension CacheSequence {
    /// Every cached key and value, layer by layer.
    func contents() -> [[Float]] {
        plan.layers.indices.flatMap { layer in
            var keys: [Float] = []
            var values: [Float] = []
            decode(layer: layer, tokens: 0..<count, keys: &keys, values: &values)
            return [keys, values]
        }
    }
}
