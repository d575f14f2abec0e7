import KvasirModels
import KvasirNumerics
import KvasirWeights
import Testing

/// Smoothing changes nothing but where the range of activations lies; rounding to 8 bits costs little.
struct SmoothingTests {
    private func maxima(_ tested: FamilyLogitsTests.Case) throws -> [[SmoothingSite: [Float]]] {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(tested.family.checkpoint(tested.format), threads: threads)
        let runner = try Runner(model, cache: "f32", instructionSet: .best, threads: threads)
        let maxima = InputMaxima(model)
        runner.operations.inputMaxima = maxima
        _ = try runner.run(tested.family.description().prompt, in: [100])
        return maxima.layers
    }

    /// Maxima that spread by orders of magnitude, so that a factor at the wrong place shows.
    private func spread(_ maxima: [[SmoothingSite: [Float]]]) -> [[SmoothingSite: [Float]]] {
        maxima.map { $0.mapValues { $0.enumerated().map { $1 * [0.01, 1, 30, 0.2, 5][$0 % 5] } } }
    }

    private func logits(
        _ tested: FamilyLogitsTests.Case, _ conversion: WeightConversion?, _ instructionSet: InstructionSet = .best,
        precision: LinearPrecision = .int8, steps: [Int] = [100]
    ) throws -> [[Float]] {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(
            tested.family.checkpoint(tested.format), conversion: conversion, threads: threads)
        let runner = try Runner(
            model, cache: "f32", instructionSet: instructionSet, threads: threads, precision: precision)
        return try runner.run(tested.family.description().prompt, in: steps)
    }

    @Test(arguments: FamilyLogitsTests.Case.all)
    func smoothedModelIsTheSameFunction(tested: FamilyLogitsTests.Case) throws {
        let measured = try maxima(tested)
        #expect(measured.allSatisfy { $0.values.allSatisfy { $0.contains { $0 > 0 } } })
        let plain = try logits(tested, .float32(nil), precision: .float32)
        for maxima in [measured, spread(measured)] {
            for (alpha, sites) in [
                (Float(0.5), Smoothing.usualSites), (0.8, Set(SmoothingSite.allCases)), (0.3, [.attentionOutput]),
            ] {
                let smoothing = Smoothing(maxima: maxima, alpha: alpha, sites: sites)
                let smoothed = try logits(tested, .float32(smoothing), precision: .float32)
                #expect(relativeError(smoothed, plain) < 1e-5, "\(alpha) \(sites)")
                #expect(smoothed != plain || tested.family == .optPost && !sites.contains(.down))
            }
        }
    }

    /// The share of the logits' mean square that rounding adds, over all rows.
    private func noise(_ rounded: [[Float]], _ reference: [[Float]]) -> Double {
        func squares(_ rows: [[Float]]) -> Double { rows.joined().reduce(0) { $0 + Double($1) * Double($1) } }
        return squares(zip(rounded, reference).map { zip($0, $1).map { $0 - $1 } }) / squares(reference)
    }

    /// Eight bits of a token's 32 values leave noise of some 1e-4 of their mean square in every product; these models
    /// were made so that everything in them matters, and add up to some dozens of it.
    @Test(arguments: FamilyLogitsTests.Case.all, InstructionSet.supported)
    func eightBitsCostLittle(tested: FamilyLogitsTests.Case, instructionSet: InstructionSet) throws {
        let reference = try logits(tested, nil, instructionSet, precision: .float32)
        let smoothing = Smoothing(maxima: try maxima(tested))
        for conversion in [WeightConversion.int8(nil), .int8(smoothing), .int8PerTensor(smoothing)] {
            let rounded = try logits(tested, conversion, instructionSet)
            #expect(noise(rounded, reference) < 1e-2)
            // Weights alone leave less, and more than nothing.
            let weights = noise(try logits(tested, conversion, instructionSet, precision: .float32), reference)
            #expect(weights > 1e-9 && weights < noise(rounded, reference))
        }
    }

    @Test(arguments: FamilyLogitsTests.Case.all)
    func chunkingChangesNothing(tested: FamilyLogitsTests.Case) throws {
        let smoothing = Smoothing(maxima: try maxima(tested))
        for conversion in [WeightConversion.int8(smoothing), .int8PerTensor(smoothing)] {
            let whole = try logits(tested, conversion)
            for steps in [[1], [7, 16, 3]] { #expect(try logits(tested, conversion, steps: steps) == whole) }
        }
    }

    @Test func maximaThatDoNotFitAreRefused() throws {
        let tested = FamilyLogitsTests.Case(family: .llama, format: .huggingFace)
        let good = try maxima(tested)
        var narrow = good
        narrow[0][.down]?.removeLast()
        for maxima in [narrow, Array(good.dropLast()), []] {
            let error = #expect(throws: ModelError.self) { try logits(tested, .int8(Smoothing(maxima: maxima))) }
            #expect(error?.description.contains("kvasir calibrate smoothquant") == true)
        }
    }

    @Test func weightsThatAreNoNumbersAreRefused() throws {
        var draft = try TinyFamily.llama.folder()
        let name = "model.layers.0.self_attn.k_proj.weight"
        let shape = try #require(draft.tensors[name]).shape
        try draft.setValues(name, shape, [Float16](repeating: .nan, count: shape.reduce(1, *)))
        let error = #expect(throws: ModelError.self) {
            try ModelLoader.load(draft.checkpoint(), conversion: .int8(nil), threads: ThreadPool(threadCount: 1))
        }
        #expect(error?.description.contains("layer 0") == true)
    }
}
