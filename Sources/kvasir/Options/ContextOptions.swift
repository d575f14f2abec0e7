import ArgumentParser

/// How long a sequence may become.
struct ContextOptions: ParsableArguments {
    @Option(
        name: [.customLong("context"), .customShort("c")],
        help: ArgumentHelp(
            "The most tokens, prompt and answer together. (default: the model's own limit)", valueName: "tokens"))
    var context: Int?

    func validate() throws {
        if let context, context < 1 {
            throw ValidationError("--context is \(context): give at least 1 token")
        }
    }
}
