import ArgumentParser

/// Where what codecs and 8-bit weights need to know of a model is found.
struct CalibrationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What 'kvasir calibrate' has measured, for codecs and weights that need it; repeatable. (default: beside the model)",
            valueName: "file"), completion: .file())
    var calibration: [String] = []
}
