import ArgumentParser
import KvasirCache
import KvasirModels

/// What all commands of `kvasir evaluate` take.
struct EvaluationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Caches to measure, separated by commas; may be given more than once. (default: "
                + "f16,\(CacheConfiguration.default), without f16 where it is the reference)", valueName: "spec,..."))
    var cache: [CacheList] = []

    @Option(
        help: ArgumentHelp(
            "How linear layers multiply: int8 as in generation, or float32, which measures the cache alone. "
                + "(default: int8; float32 in divergence, generation and normality)", valueName: "precision"))
    var linear: LinearOption?

    @Option(
        help: ArgumentHelp(
            "Keeps what is done in a file; the same command with the same file goes on where it ended.",
            valueName: "file"), completion: .file())
    var resume: String?

    @OptionGroup var statistics: CalibrationOptions
    @OptionGroup var result: ResultOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var weights: WeightOptions
    @OptionGroup(title: "Computing") var compute: ComputeOptions
}

/// How linear layers multiply, as an option.
enum LinearOption: String, ExpressibleByArgument, CaseIterable {
    case int8, float32

    var precision: LinearPrecision {
        switch self {
        case .int8: .int8
        case .float32: .float32
        }
    }
}
