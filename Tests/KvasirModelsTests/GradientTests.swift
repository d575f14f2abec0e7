import Foundation
import KvasirCache
import KvasirCodecs
import KvasirNumerics
import Testing

@testable import KvasirModels

/// The gradients of keys and values: those of a reference framework, and those that differences of the loss show.
struct GradientTests {
    private struct Layer {
        var keys: [Float] = []
        var values: [Float] = []
        var keyGradients: [Float] = []
        var valueGradients: [Float] = []
    }

    private static func values(_ matrix: FloatMatrix) -> [Float] {
        (0..<matrix.rows).flatMap { Array(UnsafeBufferPointer(start: matrix.row($0), count: matrix.columns)) }
    }

    /// Runs a sequence and copies what is handed out.
    private static func layers(
        _ pass: GradientPass, _ tokens: [Int32], count: Int
    ) throws -> (loss: Double, layers: [Layer]) {
        var layers = [Layer](repeating: Layer(), count: count)
        let loss = try pass.backward(tokens) { record in
            let gradients = try #require(record.gradients)
            layers[record.layer] = Layer(
                keys: values(record.keys), values: values(record.values), keyGradients: values(gradients.keys),
                valueGradients: values(gradients.values))
        }
        return (loss, layers)
    }

    private static func difference(_ found: [Float], _ expected: [Float]) -> Double {
        guard found.count == expected.count else { return .infinity }
        let error = zip(found, expected).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
        return (error / expected.reduce(0.0) { $0 + pow(Double($1), 2) }).squareRoot()
    }

    /// Reorders the reference's halves into the neighbours of GGUF's Llama.
    private static func interleaved(_ values: [Float], headSize: Int) -> [Float] {
        let half = headSize / 2
        return values.indices.map { index in
            let (head, channel) = index.quotientAndRemainder(dividingBy: headSize)
            return values[head * headSize + channel / 2 + channel % 2 * half]
        }
    }

    @Test(arguments: FamilyLogitsTests.Case.all, InstructionSet.supported)
    func gradientsAreTheReferences(tested: FamilyLogitsTests.Case, instructionSet: InstructionSet) throws {
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let model = try ModelLoader.load(tested.family.checkpoint(tested.format), threads: threads)
            let pass = try GradientPass(model, instructionSet: instructionSet, threads: threads)
            let shape = model.info.cacheShape
            let prompt = try tested.family.description().prompt
            let (loss, layers) = try Self.layers(pass, prompt, count: shape.layers)
            let expected = try tested.family.referenceGradients(parts: 2 * shape.layers)
            #expect(try abs(loss / tested.family.referenceLoss() - 1) < 1e-5)
            for (index, layer) in layers.enumerated() {
                var keys = expected[2 * index]
                if model.info.channelOrder == .interleaved {
                    keys = Self.interleaved(keys, headSize: shape.heads.headSize)
                }
                #expect(Self.difference(layer.keyGradients, keys) < 1e-4, "keys of layer \(index)")
                #expect(
                    Self.difference(layer.valueGradients, expected[2 * index + 1]) < 1e-4, "values of layer \(index)")
            }
        }
    }

    /// Along its gradient the loss changes by the gradient's length: central differences, no reference needed.
    @Test(arguments: FamilyLogitsTests.Case.all)
    func differencesOfTheLossAreTheGradients(tested: FamilyLogitsTests.Case) throws {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(tested.family.checkpoint(tested.format), threads: threads)
        let pass = try GradientPass(model, instructionSet: .best, threads: threads)
        let prompt = try tested.family.description().prompt
        let width = model.info.cacheShape.heads.width
        let (_, layers) = try Self.layers(pass, prompt, count: model.info.cacheShape.layers)
        for (index, layer) in layers.enumerated() {
            for isKeys in [true, false] {
                let gradient = isKeys ? layer.keyGradients : layer.valueGradients
                let length = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                func loss(_ step: Double) throws -> Double {
                    pass.intervention = { changed, keys, values in
                        guard changed == index else { return }
                        let matrix = isKeys ? keys : values
                        for row in 0..<matrix.rows {
                            for channel in 0..<width {
                                let direction = Double(gradient[row * width + channel]) / length
                                matrix.row(row)[channel] += Float(step * direction)
                            }
                        }
                    }
                    defer { pass.intervention = nil }
                    return try pass.loss(prompt)
                }
                // Two steps, so that the third derivative cancels; short ones where ReLU has its bends.
                let step = model.info.architecture == "opt" ? 0.01 : 0.04
                let near = (try loss(step) - loss(-step)) / (2 * step)
                let far = (try loss(2 * step) - loss(-2 * step)) / (4 * step)
                let slope = (4 * near - far) / 3
                #expect(
                    abs(slope / length - 1) < 1e-3,
                    "\(isKeys ? "keys" : "values") of layer \(index): \(slope), \(length)")
            }
        }
    }

    /// What a recording hands out is what a backward pass does, whatever the number of threads.
    @Test func recordingsAreTheSame() throws {
        let family = TinyFamily.qwen3
        let prompt = try family.description().prompt
        var first: [Layer] = []
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let model = try ModelLoader.load(family.checkpoint(.gguf), threads: threads)
            let pass = try GradientPass(model, instructionSet: .best, threads: threads)
            let (_, layers) = try Self.layers(pass, prompt, count: model.info.cacheShape.layers)
            try pass.record(prompt) { record in
                #expect(Self.values(record.keys) == layers[record.layer].keys)
                #expect(Self.values(record.values) == layers[record.layer].values)
                #expect(record.gradients == nil)
            }
            if first.isEmpty { first = layers }
            #expect(zip(first, layers).allSatisfy { $0.keyGradients == $1.keyGradients })
            #expect(zip(first, layers).allSatisfy { $0.valueGradients == $1.valueGradients })
        }
    }

    /// Longer than a block of query rows, with a window whose edge lies inside blocks.
    @Test func longSequencesAreExactToo() throws {
        var draft = try TinyFamily.mistral.folder()
        draft.configuration["sliding_window"] = 70
        draft.configuration["max_position_embeddings"] = 512
        let threads = try ThreadPool()
        let model = try ModelLoader.load(draft.checkpoint(), threads: threads)
        let pass = try GradientPass(model, instructionSet: .best, threads: threads)
        let tokens = scatteredTokens(203, below: 64)
        let width = model.info.cacheShape.heads.width
        let (_, layers) = try Self.layers(pass, tokens, count: 1)
        let gradient = layers[0].keyGradients + layers[0].valueGradients
        let length = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        func loss(_ step: Double) throws -> Double {
            pass.intervention = { _, keys, values in
                for (part, matrix) in [keys, values].enumerated() {
                    for row in 0..<matrix.rows {
                        for channel in 0..<width {
                            let direction = Double(gradient[(part * matrix.rows + row) * width + channel]) / length
                            matrix.row(row)[channel] += Float(step * direction)
                        }
                    }
                }
            }
            defer { pass.intervention = nil }
            return try pass.loss(tokens)
        }
        let near = (try loss(0.04) - loss(-0.04)) / 0.08
        let far = (try loss(0.08) - loss(-0.08)) / 0.16
        #expect(abs((4 * near - far) / 3 / length - 1) < 1e-3)
    }
}
