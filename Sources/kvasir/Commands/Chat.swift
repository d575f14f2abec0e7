import ArgumentParser
import Foundation
import KvasirCache
import KvasirEngine

/// `kvasir chat`: a conversation.
struct Chat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talks with a model.",
        discussion: """
            Every line is a message. /reset forgets the conversation, /exit or Ctrl-D leaves, Ctrl-C stops an answer. \
            The cache is kept between turns: only what is new is computed.
            """)

    @Option(help: ArgumentHelp("Instructions for the whole conversation.", valueName: "text"))
    var system: String?

    @Option(
        help: ArgumentHelp(
            "The most tokens of an answer. (default: as many as there is room for)", valueName: "count"))
    var maxTokens: Int?

    @Flag(help: "Asks a model that thinks before its answers (Qwen3) to answer at once.")
    var noThinking = false

    @Flag(help: "Says after every answer what it took, also where standard error is no terminal.")
    var verbose = false

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var weights: WeightOptions
    @OptionGroup(title: "Cache") var cache: CacheOptions
    @OptionGroup(title: "Cache") var context: ContextOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions

    func validate() throws {
        if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens is \(maxTokens): generate at least 1") }
    }

    func run() async throws {
        let stops = try sampling.stopStrings()
        var parameters = try sampling.parameters()
        let settings = try EngineSettings(model, weights, cache, compute, contextLength: context.context)
        let interrupts = Interrupts()
        let engine = try await settings.load(interrupts: interrupts)
        let chat = try ChatSession(engine, system: system, thinks: !noThinking)

        if Console.inputIsTerminal { greet(engine, interrupts) }
        while let line = nextLine() {
            switch Input(line) {
            case .nothing: continue
            case .exit: return
            case .reset:
                chat.reset()
                Console.note(Console.faint("(the conversation is forgotten)"))
            case .unknown(let command):
                Console.note("kvasir: there is no command \(command), only /reset and /exit")
            case .message(let message):
                try answer(message, chat, parameters, stops, interrupts, engine)
                // Another draw for the next turn, and the same ones whenever the program starts with this seed.
                parameters = try sampling.parameters(after: parameters)
            }
        }
        if Console.inputIsTerminal { Console.note("") }
    }

    private func greet(_ engine: InferenceEngine, _ interrupts: Interrupts) {
        Console.note(Console.faint("\(engine.model.fileName), \(engine.plan.summary)"))
        Console.note(Console.faint("/reset forgets the conversation, /exit or Ctrl-D leaves, Ctrl-C stops an answer"))
        interrupts.whileIdle {
            Console.note("\n" + Console.faint("(/exit or Ctrl-D leaves)"))
            Self.showPrompt()
        }
    }

    private static func showPrompt() { Console.draw("> ") }

    private func nextLine() -> String? {
        if Console.inputIsTerminal { Self.showPrompt() }
        return readLine()
    }

    private func answer(
        _ message: String, _ chat: ChatSession, _ parameters: SamplingParameters, _ stops: StopStrings,
        _ interrupts: Interrupts, _ engine: InferenceEngine
    ) throws {
        interrupts.begin()
        defer { interrupts.end() }
        do {
            let result = try chat.answer(
                message, sampling: parameters, maxTokens: maxTokens, stops: stops, onText: Console.write,
                isCancelled: { interrupts.isRaised || Console.hasFailed })
            if !result.text.hasSuffix("\n") { Console.write("\n") }
            try Console.check()
            if verbose || Console.errorIsTerminal { Console.note(Console.faint(summary(result, chat, engine))) }
        } catch let error as EngineError where error.reason == .contextExceeded {
            Console.note("kvasir: \(error); /reset starts over")
        } catch let error as CacheError where error.reason != .malformedConfiguration {
            Console.note("kvasir: \(error); /reset starts over")
        }
        if !Console.inputIsTerminal, interrupts.isRaised { throw Interruption() }
    }

    private func summary(_ result: GenerationResult, _ chat: ChatSession, _ engine: InferenceEngine) -> String {
        let new = result.promptTokens - result.cachedPromptTokens
        return "(\(result.cachedPromptTokens) tokens cached + \(new) new; \(result.tokens.count) generated, "
            + "\(result.ending), \(result.decodeTokensPerSecond.fixed(1)) tokens/s; "
            + "\(engine.plan.comparison(bytes: chat.cacheBytes, tokens: chat.cachedTokens)))"
    }
}

/// A line of the user's.
private enum Input {
    case nothing
    case message(String)
    case reset
    case exit
    case unknown(String)

    init(_ line: String) {
        let text = line.trimmingCharacters(in: .whitespacesAndNewlines)
        switch text {
        case "": self = .nothing
        case "/reset": self = .reset
        case "/exit", "/quit", "/bye": self = .exit
        // One word behind a slash is meant as a command; a path or a sentence is not.
        case _ where text.wholeMatch(of: /\/[a-z]+/) != nil: self = .unknown(text)
        default: self = .message(text)
        }
    }
}
