import ArgumentParser
import Foundation
import KvasirCache
import KvasirEngine
import KvasirModels
import KvasirTokenizers

/// `kvasir generate`: text after a prompt.
struct Generate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continues a prompt.",
        discussion: """
            The text goes to standard output as it is generated, a summary to standard error. The prompt is taken as it \
            is, without a chat template. Ctrl-C ends the text early; what was generated stays.
            """)

    @Argument(
        help: "The text to continue; standard input if absent or '-', without its last line break.")
    var prompt: String?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var weights: WeightOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Cache") var context: ContextOptions
    @OptionGroup(title: "Cache") var saved: SessionOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    @Option(help: ArgumentHelp("The most tokens to generate.", valueName: "count"))
    var maxTokens = 256

    @Flag(help: "Prints one JSON object with text, tokens, timings and cache figures in place of text and summary.")
    var json = false

    func validate() throws {
        if maxTokens < 1 { throw ValidationError("--max-tokens is \(maxTokens): generate at least 1") }
        if prompt?.isEmpty == true { throw ValidationError(Self.emptyPrompt) }
    }

    private static let emptyPrompt = "the prompt is empty: give some text, as argument or on standard input"

    func run() async throws {
        let parameters = try sampling.parameters()
        let stops = try sampling.stopStrings()
        let settings = try EngineSettings(model, weights, cache, compute, contextLength: context.context)
        let place = try saved.place()
        let text = try promptBytes()
        let interrupts = Interrupts()
        let engine = try await settings.load(interrupts: interrupts)
        let tokens = engine.model.tokenizer.encode(text, addSpecial: true, parseSpecial: false)

        interrupts.begin()
        let session = GenerationSession(engine)
        let identity = try place?.restore(into: session)
        let result = try session.generate(
            GenerationRequest(prompt: tokens, sampling: parameters, maxTokens: maxTokens, stops: stops),
            onText: { if !json { Console.write($0) } },
            isCancelled: { interrupts.isRaised || Console.hasFailed })
        interrupts.end()

        let report = GenerationReport(result, of: session, sampling: parameters, settings: settings)
        if json {
            try JSONOutput.write(report)
        } else {
            if !result.text.hasSuffix("\n") { Console.write("\n") }
            try Console.check()
            Console.note("\n" + report.summary)
        }
        if let place, let identity { try place.save(session, identity) }
        if interrupts.isRaised { throw Interruption() }
    }

    /// The prompt as bytes, which need not be UTF-8.
    private func promptBytes() throws -> [UInt8] {
        if let prompt, prompt != "-" { return Array(prompt.utf8) }
        if Console.inputIsTerminal { Console.note("kvasir: reading the prompt, Ctrl-D on an empty line ends it") }
        var bytes = try Console.readAll()
        // Every tool that writes text ends it so; the model would take it for a part of the prompt.
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard !bytes.isEmpty else { throw UsageError(message: Self.emptyPrompt) }
        return bytes
    }
}
