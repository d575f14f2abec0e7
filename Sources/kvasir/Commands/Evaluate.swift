import ArgumentParser

/// `kvasir evaluate`: what a cache costs in quality.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures what a cache configuration costs in quality.",
        subcommands: [
            EvaluatePerplexity.self, EvaluateDivergence.self, EvaluateTasks.self, EvaluateNeedle.self,
            EvaluateGeneration.self, EvaluateNormality.self, EvaluateEntropy.self, EvaluatePrecision.self,
        ])
}
