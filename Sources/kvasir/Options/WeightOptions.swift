import ArgumentParser
import KvasirEngine

/// How a model's weights are held.
struct WeightOptions: ParsableArguments {
    @Option(
        name: .customLong("weights"),
        help: ArgumentHelp(
            "How the layers' matrices are held: file (as they are there), w8a8 (8-bit weights and activations, smoothed; "
                + "needs 'kvasir calibrate smoothquant'), w8a8-unsmoothed, or w8a8-static (one scale for each matrix and "
                + "for all tokens).", valueName: "scheme"))
    private var option = SchemeOption.file

    var weights: WeightScheme { option.scheme }
}

/// `WeightScheme` as an option.
private enum SchemeOption: String, ExpressibleByArgument, CaseIterable {
    case file, w8a8
    case w8a8Unsmoothed = "w8a8-unsmoothed"
    case w8a8Static = "w8a8-static"

    var scheme: WeightScheme {
        switch self {
        case .file: .file
        case .w8a8: .w8a8
        case .w8a8Unsmoothed: .w8a8Unsmoothed
        case .w8a8Static: .w8a8Static
        }
    }
}
