import KvasirModels
import KvasirNumerics
import Testing

/// The models compute what the reference implementation computes from the same weights.
///
/// Errors are the largest difference in a row of logits over the row's largest magnitude.
struct ReferenceLogitsTests {
    @Test(arguments: TinyModel.allCases, InstructionSet.supported)
    func exactCacheGivesTheReferenceLogits(tiny: TinyModel, instructionSet: InstructionSet) throws {
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let model = try ModelLoader.load(tiny.file(), threads: threads)
            let runner = try Runner(model, cache: "f32", instructionSet: instructionSet, threads: threads)
            let logits = try runner.run(tiny.description().prompt, in: [100])
            #expect(try relativeError(logits, tiny.referenceLogits()) < 1e-4)
        }
    }

    /// The reference rounds its keys and values too.
    ///
    /// A value on the edge between two halves may be rounded otherwise, for it differs in its last bit; that moves a logit
    /// by a part of the 2e-3 that rounding moves it in all.
    @Test(arguments: TinyModel.allCases, InstructionSet.supported)
    func halfPrecisionCacheGivesTheLogitsOfRoundedKeysAndValues(tiny: TinyModel, instructionSet: InstructionSet) throws
    {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(tiny.file(), threads: threads)
        let runner = try Runner(model, cache: "f16", instructionSet: instructionSet, threads: threads)
        let description = try tiny.description()
        let last = try runner.run(description.prompt, in: [100]).suffix(1)
        #expect(relativeError(Array(last), [description.halfPrecisionCache]) < 2e-4)
        #expect(try relativeError(Array(last), tiny.referenceLogits().suffix(1)) > 2e-4, "something was rounded")
    }

    @Test(arguments: TinyModel.allCases, ["f32", "f16"])
    func greedyContinuationIsTheReferences(tiny: TinyModel, cache: String) throws {
        let description = try tiny.description()
        for threads in try [ThreadPool(threadCount: 1), ThreadPool()] {
            let model = try ModelLoader.load(tiny.file(), threads: threads)
            for instructionSet in InstructionSet.supported {
                let runner = try Runner(model, cache: cache, instructionSet: instructionSet, threads: threads)
                let tokens = try runner.continuation(
                    of: description.prompt, count: description.continuation.count)
                #expect(tokens == description.continuation)
            }
        }
    }

    /// The reference rounds the same groups of 32 activations to 8 bits.
    ///
    /// One of them on the edge between two codes may get the other one; rounding all of them moves a logit by 5 %, of which
    /// a few make a tenth at most.
    @Test(arguments: InstructionSet.supported)
    func integerPathGivesTheLogitsOfRoundedActivations(instructionSet: InstructionSet) throws {
        let threads = try ThreadPool()
        let tiny = TinyModel.quantized
        let model = try ModelLoader.load(tiny.file(), threads: threads)
        let runner = try Runner(
            model, cache: "f32", instructionSet: instructionSet, threads: threads, precision: .int8)
        let description = try tiny.description()
        let last = try runner.run(description.prompt, in: [100]).suffix(1)
        let rounded = try #require(description.roundedActivations)
        #expect(relativeError(Array(last), [rounded]) < 5e-3)
        #expect(try relativeError(Array(last), tiny.referenceLogits().suffix(1)) > 5e-3, "something was rounded")
    }

    /// Without quantized matrices there is nothing to round activations for.
    @Test func unquantizedModelIsTheSameInBothPrecisions() throws {
        let threads = try ThreadPool()
        let model = try ModelLoader.load(TinyModel.tied.file(), threads: threads)
        let prompt = try TinyModel.tied.description().prompt
        let logits = try LinearPrecision.allCases.map { precision in
            try Runner(
                model, cache: "f16", instructionSet: .best, threads: threads, precision: precision
            ).run(prompt, in: [100])
        }
        #expect(logits[0] == logits[1])
    }
}
