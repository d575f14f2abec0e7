import Foundation
import KvasirCache
import KvasirEngine
import KvasirEvaluation
import KvasirModels
import KvasirNumerics
import KvasirTokenizers

@main
struct Kvasir {
    static func main() throws {
        let arguments = CommandLine.arguments
        let threads = try ThreadPool()
        let clock = ContinuousClock()
        let t0 = clock.now
        let model = try LanguageModel(path: arguments[2], threads: threads)
        print("load", clock.now - t0)
        let engine = try InferenceEngine(
            model: model, cache: CacheConfiguration(parsing: arguments[3]), threads: threads,
            instructionSet: InstructionSet.resolve(environment: ProcessInfo.processInfo.environment),
            precision: arguments.count > 6 ? .float32 : .int8)
        if arguments[1] == "gen" {
            let session = GenerationSession(engine)
            let prompt = model.tokenizer.encode(arguments[4], addSpecial: true, parseSpecial: false)
            let result = try session.generate(.init(prompt: prompt, maxTokens: Int(arguments[5]))) {
                print($0, terminator: "")
            }
            print()
            print(
                result.prefillTokensPerSecond, result.decodeTokensPerSecond, result.tokens.count, engine.workBytes,
                engine.pool.peakBytes)
        } else {
            let text = [UInt8](try Data(contentsOf: URL(filePath: arguments[4])))
            let t1 = clock.now
            let result = try PerplexityEvaluation(context: 512, windows: Int(arguments[5])).run(
                text: text, engine: engine
            ) { n, _, r in print(n, r.perplexity) }
            print(result.perplexity, result.standardError, result.tokens, clock.now - t1)
        }
    }
}
