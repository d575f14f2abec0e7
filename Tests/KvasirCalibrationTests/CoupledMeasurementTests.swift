import CKvasir
import Foundation
import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirEvaluation
import KvasirModels
import KvasirNumerics
import Testing

@testable import KvasirCalibration

/// A run with a tiny model: what is recorded, what is learned, and that neither threads nor interruptions change it.
struct CoupledMeasurementTests {
    private static let text = Array(
        (0..<600).map { ["the cat", "in the hat", "sat on", "a mat", "and", "that was that"][$0 * $0 % 6] + " \($0) " }
            .joined().utf8)

    private static func model(_ threads: ThreadPool) throws -> LanguageModel {
        let path = URL(filePath: #filePath).appending(path: "../../KvasirModelsTests/Fixtures/tiny-tied.gguf")
        return try LanguageModel(path: path.standardized.path, threads: threads)
    }

    private static func settings(
        _ scheme: String = "4c4b", _ weights: CoupledSettings.Weights = .fisher,
        _ space: KeySpace = .beforeRotary, skipped: Int = 0, seed: UInt64 = 0
    ) throws -> CoupledSettings {
        try CoupledSettings(
            schemes: scheme.split(separator: ",").map { try CoupledScheme(parsing: String($0)) }, keySpace: space,
            weights: weights, sequences: 20, length: 64, skipped: skipped, iterations: 5, seed: seed)
    }

    private static func withFolder<Value>(_ body: (String) throws -> Value) throws -> Value {
        let path = NSTemporaryDirectory() + "kvasir-calibration-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    private static func measurement(
        _ settings: CoupledSettings, threads: Int = ThreadPool.defaultThreadCount, _ set: InstructionSet = .best
    ) throws -> CoupledMeasurement {
        let threads = try ThreadPool(threadCount: threads)
        return try CoupledMeasurement(
            model(threads), text: text, source: "a text", settings: settings, threads: threads, instructionSet: set)
    }

    /// The codebooks of a run from nothing to its end.
    private static func codebooks(
        _ settings: CoupledSettings, threads: Int = ThreadPool.defaultThreadCount
    ) throws -> [CoupledCalibration] {
        try withFolder { folder in
            let measurement = try measurement(settings, threads: threads)
            return try measurement.learn(from: measurement.record(into: folder)).map(\.calibration)
        }
    }

    @Test("What is recorded is what the model computes", arguments: [KeySpace.beforeRotary, .afterRotary])
    func recording(space: KeySpace) throws {
        try Self.withFolder { folder in
            let measurement = try Self.measurement(Self.settings("4c4b", .fisher, space))
            let recording = try measurement.record(into: folder)
            let threads = try ThreadPool()
            let model = try Self.model(threads)
            let info = model.decoder.info
            let pass = try GradientPass(model.decoder, instructionSet: .best, threads: threads)
            let width = info.cacheShape.heads.width
            var losses = 0.0
            for (index, tokens) in measurement.text.sequences.enumerated().prefix(2) {
                losses += try pass.backward(tokens) { record in
                    let gradients = try #require(record.gradients)
                    for (part, values, gradients) in [
                        (CachedPart.keys, record.keys, gradients.keys), (.values, record.values, gradients.values),
                    ] {
                        let recorded = try recording.read(part, ofLayer: record.layer, skipped: 3)
                        let stored = try #require(recorded.squares)
                        #expect(recorded.tokens == 20 * 61 && recorded.width == width)
                        var expected = [Float](repeating: 0, count: 64 * width)
                        var slopes = expected
                        for row in 0..<64 {
                            for column in 0..<width {
                                expected[row * width + column] = values.row(row)[column]
                                slopes[row * width + column] = gradients.row(row)[column]
                            }
                        }
                        if part == .keys, space == .afterRotary {
                            Self.turn(&expected, width, info.rotary[record.layer], info.cacheShape.heads.headSize)
                            Self.turn(&slopes, width, info.rotary[record.layer], info.cacheShape.heads.headSize)
                        }
                        for place in 0..<61 * width {
                            let found = kv_f16_to_f32(recorded.values[index * 61 * width + place])
                            let value = expected[3 * width + place]
                            #expect(abs(found - value) <= abs(value) / 1024 + 1e-6)
                            let square = kv_bf16_to_f32(stored[index * 61 * width + place])
                            let slope = slopes[3 * width + place]
                            #expect(abs(square - slope * slope) <= slope * slope / 100 + 1e-20)
                        }
                    }
                }
            }
            #expect(losses > 0)
            #expect(try #require(recording.loss) > 0)
        }
    }

    private static func turn(_ values: inout [Float], _ width: Int, _ rotary: RotaryEmbedding, _ headSize: Int) {
        for row in 0..<values.count / width {
            for head in stride(from: 0, to: width, by: headSize) {
                for pair in 0..<rotary.frequencies.count {
                    let (a, b) = rotary.channels(ofPair: pair)
                    let (first, second) = (row * width + head + a, row * width + head + b)
                    let angle = Double(row) * rotary.frequencies[pair]
                    let (x, y) = (Double(values[first]), Double(values[second]))
                    values[first] = Float(x * cos(angle) - y * sin(angle))
                    values[second] = Float(y * cos(angle) + x * sin(angle))
                }
            }
        }
    }

    @Test("A group's weight is its squared gradient")
    func fisherWeights() {
        let gradients: [Float] = [0.5, -1, 2, 0, 0, 0, 1, 1, 1, 0, 0, 3]
        let part = RecordedPart(
            tokens: 2, width: 6, values: [UInt16](repeating: 0, count: 12),
            squares: gradients.map { kv_f32_to_bf16($0 * $0) })
        #expect(part.squaredNorms(channels: 3) == [5.25, 0, 3, 9])
        let weights: [Float] = [5.25 / 9, 0, 3 / 9, 1]
        #expect(part.weights(channels: 3) == weights)
        #expect(part.squaredNorms(channels: 1)?.prefix(3) == [0.25, 1, 4])
        let nothing = RecordedPart(tokens: 1, width: 2, values: [0, 0], squares: [0, 0])
        #expect(nothing.weights(channels: 1) == [1, 1])
        #expect(RecordedPart(tokens: 1, width: 2, values: [0, 0], squares: nil).weights(channels: 2) == [1])
    }

    @Test("The same seed gives the same codebooks, whatever the threads; another one gives others")
    func reproducible() throws {
        let first = try Self.codebooks(Self.settings())
        #expect(try Self.codebooks(Self.settings(), threads: 1) == first)
        #expect(try Self.codebooks(Self.settings(seed: 1))[0].layers != first[0].layers)
        // A scheme gives the same alone and beside another.
        let both = try Self.codebooks(Self.settings("8c4b,4c4b"))
        #expect(both[1] == first[0] && both[0].scheme.channels == 8)
        // What differs in the settings differs in the codebooks.
        #expect(try Self.codebooks(Self.settings("4c4b", .uniform))[0].layers != first[0].layers)
        #expect(try Self.codebooks(Self.settings(skipped: 4))[0].layers != first[0].layers)
        let turned = try Self.codebooks(Self.settings("4c4b", .fisher, .afterRotary))[0]
        #expect(turned.keySpace == .afterRotary && turned.layers[0].keys != first[0].layers[0].keys)
        #expect(turned.layers[0].values == first[0].layers[0].values)
    }

    @Test("A run that is stopped anywhere goes on to the same codebooks", arguments: [1, 2, 30, 45, 61])
    func resumed(stop: Int) throws {
        let expected = try Self.codebooks(Self.settings())
        try Self.withFolder { folder in
            let measurement = try Self.measurement(Self.settings())
            func run(_ limit: Int) throws -> [LearnedCodebooks] {
                let journal = try RunJournal(
                    path: "\(folder)/journal", fingerprint: measurement.fingerprint(kvasirVersion: "1"))
                var asked = 0
                func run() -> EvaluationRun {
                    EvaluationRun(
                        journal: journal,
                        isCancelled: {
                            asked += 1
                            return asked > limit
                        })
                }
                return try measurement.learn(from: measurement.record(into: folder, run: run()), run: run())
            }
            #expect(throws: EvaluationCancelled.self) { try run(stop) }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).allSatisfy { !$0.hasSuffix("unfinished") })
            #expect(try run(.max).map(\.calibration) == expected)
        }
    }

    @Test("More bits and fewer channels lose less; codebooks beat one centroid")
    func learned() throws {
        try Self.withFolder { folder in
            let measurement = try Self.measurement(Self.settings("8c4b,4c4b,2c4b", .uniform))
            let learned = try measurement.learn(from: measurement.record(into: folder))
            let errors = learned.map(\.keyError.relative)
            #expect(zip(errors, errors.dropFirst()).allSatisfy { $0 > $1 } && errors[0] < 1)
            #expect(learned.allSatisfy { $0.calibration.origin.tokens == 20 * 64 })
            #expect(learned[0].calibration.settings["weights"] == "uniform")
        }
    }

    @Test(
        "A number that is none is refused with its layer and part, and leaves nothing behind",
        arguments: [
            Float.nan, .infinity, -70_000,
        ])
    func overflow(value: Float) throws {
        try Self.withFolder { folder in
            let recording = CoupledRecording(
                folder: folder, layers: 3, sequences: 1, tokens: 2, width: 4, hasGradients: true)
            let buffer = AlignedBuffer<Float>(zeroed: 8)
            let spoiled = AlignedBuffer<Float>(zeroed: 8)
            spoiled.pointer[5] = value
            let good = FloatMatrix(buffer.pointer, rows: 2, columns: 4)
            let bad = FloatMatrix(spoiled.pointer, rows: 2, columns: 4)
            func refusal(_ layer: RecordedLayer) -> CalibrationError? {
                #expect(throws: CalibrationError.self) {
                    try recording.write(0) { (write: (RecordedLayer) throws -> Void) in try write(layer) }
                }
            }
            let values = refusal(RecordedLayer(layer: 1, keys: good, values: bad, gradients: (good, good)))
            #expect(values?.reason == .impossible && values?.received.contains("values of layer 1") == true)
            let keys = refusal(RecordedLayer(layer: 2, keys: bad, values: good, gradients: nil))
            #expect(keys?.received.contains("keys of layer 2") == true)
            if !value.isFinite {
                let slope = refusal(RecordedLayer(layer: 0, keys: good, values: good, gradients: (bad, good)))
                #expect(slope?.received.contains("gradients of the keys of layer 0") == true)
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(left.isEmpty)
        }
    }

    @Test("A scheme that does not divide the heads is refused before anything runs")
    func scheme() throws {
        #expect(throws: CodecError.self) { try Self.measurement(Self.settings("5c4b")) }
    }

    @Test("A recording that is not what was written is refused")
    func damaged() throws {
        try Self.withFolder { folder in
            let measurement = try Self.measurement(Self.settings())
            let recording = try measurement.record(into: folder)
            try Data([1, 2, 3]).write(to: URL(filePath: "\(folder)/sequence-5"))
            let error = #expect(throws: CalibrationError.self) { try measurement.learn(from: recording) }
            #expect(error?.reason == .unreadable && error?.description.contains("sequence-5") == true)
        }
    }
}
