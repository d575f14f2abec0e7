/// What the NQKV paper reports, to stand beside our own figures.
///
/// Source: Cai, Zhang, Tan, Wei: "NQKV: A KV Cache Quantization Scheme Based on Normal Distribution Characteristics"
/// (arXiv, 2025). Figures 1 to 4 are pictures without numbers.
public enum PublishedNQKV {
    /// A row of table 2: zero-shot accuracy in per cent with an f16 cache and with NQKV.
    public struct Accuracy: Sendable, Hashable, Codable {
        /// The model.
        public let model: String
        /// Whether the cache was NQKV's.
        public let isQuantized: Bool
        /// Per cent by task, named as lm-evaluation-harness names them.
        public let tasks: [String: Double]
        /// The mean of the tasks as printed.
        public let average: Double
    }

    /// A row of table 3: the average accuracy in per cent over `smoothQuantTasks`.
    public struct SmoothQuantAccuracy: Sendable, Hashable, Codable {
        /// The model.
        public let model: String
        /// With weights and cache in f16.
        public let float: Double
        /// With SmoothQuant, the cache in f16.
        public let smoothQuant: Double
        /// With SmoothQuant and NQKV.
        public let both: Double
    }

    /// A row of table 4: one model, batch and sequence length on an A100 with 80 GB, 338 generated tokens.
    public struct Serving: Sendable, Hashable, Codable {
        /// The model.
        public let model: String
        /// Sequences together.
        public let batch: Int
        /// Tokens of a sequence.
        public let length: Int
        /// Tokens per second without a cache, with an f16 cache and with NQKV; nil where memory did not suffice.
        public let speeds: [Double?]
        /// Peak memory in GB in the same order; nil where it did not suffice.
        public let peaks: [Double?]
    }

    /// Table 1: the smallest and the largest p-value of 16 blocks of one token of OPT-6.7B, all above 0.05.
    public static let blockProbabilities = 0.0865...0.970
    /// Table 1: blocks.
    public static let blocks = 16
    /// Tokens generated in table 4.
    public static let generatedTokens = 338

    /// Table 2.
    public static let accuracies: [Accuracy] = [
        accuracy("OPT-125M", false, [63.00, 50.36, 29.18, 19.11, 49.82, 55.47], 44.49),
        accuracy("OPT-125M", true, [62.68, 49.88, 28.94, 18.96, 51.26, 55.96], 44.61),
        accuracy("OPT-1.3B", false, [71.55, 59.51, 41.51, 23.38, 51.99, 57.77], 50.95),
        accuracy("OPT-1.3B", true, [71.07, 58.33, 40.48, 23.29, 51.62, 56.75], 50.26),
        accuracy("OPT-6.7B", false, [76.22, 65.35, 50.50, 30.63, 55.23, 66.06], 57.33),
        accuracy("OPT-6.7B", true, [76.17, 64.25, 50.16, 30.38, 55.60, 65.63], 57.03),
        accuracy("OPT-13B", false, [75.95, 65.04, 52.45, 32.94, 58.12, 65.93], 58.41),
        accuracy("OPT-13B", true, [75.84, 65.19, 52.14, 32.68, 59.21, 66.91], 58.66),
    ]

    /// The tasks of table 2, in its order.
    public static let tasks = ["piqa", "winogrande", "hellaswag", "arc_challenge", "rte", "boolq"]

    /// The tasks of table 3, in its order.
    public static let smoothQuantTasks = [
        "piqa", "winogrande", "hellaswag", "arc_easy", "arc_challenge", "rte", "boolq",
    ]

    /// Table 3: weights with one scale for each matrix, activations with one that is fixed beforehand.
    public static let smoothQuant: [SmoothQuantAccuracy] = [
        SmoothQuantAccuracy(model: "OPT-125M", float: 44.35, smoothQuant: 44.27, both: 44.23),
        SmoothQuantAccuracy(model: "OPT-1.3B", float: 51.83, smoothQuant: 51.32, both: 50.30),
        SmoothQuantAccuracy(model: "OPT-6.7B", float: 58.52, smoothQuant: 58.61, both: 58.69),
        SmoothQuantAccuracy(model: "OPT-13B", float: 59.65, smoothQuant: 59.19, both: 58.66),
        SmoothQuantAccuracy(model: "OPT-30B", float: 61.89, smoothQuant: 61.46, both: 61.86),
    ]

    /// Table 4, of which figures 8 and 9 show parts.
    ///
    /// Its models have 8-bit weights and activations.
    public static let serving: [Serving] = [
        serving("OPT-6.7B", 8, 128, [45.55, 139.78, 118.69], [7.42, 8.28, 6.92]),
        serving("OPT-6.7B", 8, 512, [18.17, 103.94, 91.38], [8.95, 9.84, 7.91]),
        serving("OPT-6.7B", 32, 128, [57.65, 275.48, 258.13], [9.07, 11.96, 8.39]),
        serving("OPT-6.7B", 32, 512, [19.63, 151.97, 131.86], [14.41, 18.28, 12.41]),
        serving("OPT-6.7B", 64, 128, [58.53, 311.23, 289.31], [14.46, 21.39, 15.39]),
        serving("OPT-6.7B", 64, 512, [20.61, 172.28, 153.64], [26.72, 33.73, 18.40]),
        serving("OPT-30B", 8, 128, [14.07, 85.02, 70.84], [29.97, 33.43, 29.76]),
        serving("OPT-30B", 8, 512, [5.55, 59.88, 51.68], [32.43, 37.36, 31.87]),
        serving("OPT-30B", 32, 128, [19.66, 97.14, 93.26], [32.00, 42.19, 33.50]),
        serving("OPT-30B", 32, 512, [6.21, 60.32, 54.27], [40.26, 58.23, 41.97]),
        serving("OPT-30B", 64, 128, [18.36, 112.79, 98.91], [40.45, 67.50, 41.53]),
        serving("OPT-30B", 64, 512, [5.71, nil, 53.10], [60.12, nil, 62.49]),
    ]

    private static func accuracy(
        _ model: String, _ isQuantized: Bool, _ values: [Double], _ average: Double
    ) -> Accuracy {
        Accuracy(
            model: model, isQuantized: isQuantized, tasks: Dictionary(uniqueKeysWithValues: zip(tasks, values)),
            average: average)
    }

    private static func serving(
        _ model: String, _ batch: Int, _ length: Int, _ speeds: [Double?], _ peaks: [Double?]
    ) -> Serving {
        Serving(model: model, batch: batch, length: length, speeds: speeds, peaks: peaks)
    }
}
