import ArgumentParser

@main
struct Kvasir: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "LLM inference with a packed key/value cache.")
}
