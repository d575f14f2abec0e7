import ArgumentParser

/// `kvasir reproduce`: a paper's experiments on any model.
struct Reproduce: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remakes a paper's experiments on any model.", subcommands: [ReproduceNQKV.self])
}
