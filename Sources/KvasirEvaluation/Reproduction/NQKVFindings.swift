internal import Foundation

extension NQKVFinding {
    private static func percent(_ share: Double, _ decimals: Int = 1) -> String {
        String(format: "%.\(decimals)f %%", share * 100)
    }

    static func number(_ value: Double, _ decimals: Int = 2) -> String {
        String(format: "%.\(decimals)f", value)
    }

    /// `2.1 to 3.4`; a single number if the ends are the same to two digits.
    static func range(_ values: [Double], _ decimals: Int = 2) -> String {
        guard let low = values.min(), let high = values.max() else { return "nothing" }
        let (first, last) = (number(low, decimals), number(high, decimals))
        return first == last ? first : "\(first) to \(last)"
    }

    /// Figures 1 and 2.
    static func memory(_ shares: [CacheShare], cache: String) -> NQKVFinding {
        let plain = shares.filter { $0.cache == "f16" }
        let small = shares.filter { $0.cache == cache }
        let ratios = zip(plain, small).map { Double($0.cacheBytes) / Double($1.cacheBytes) }
        let experiment = "Figures 1 and 2: share of memory that the cache takes"
        guard let low = plain.map(\.share).min(), let high = plain.map(\.share).max(),
            let largest = small.map(\.share).max(), let ratio = ratios.min()
        else { return missing(experiment, "bars without numbers", "no shares were computed") }
        let grows = high > low && high > 0.5
        return NQKVFinding(
            experiment: experiment,
            published:
                "bars without numbers; the cache outgrows the weights at large batches and lengths, 4 bits take about a quarter",
            ours:
                "f16: \(percent(low)) to \(percent(high)); \(cache): at most \(percent(largest)), \(range(ratios)) times less",
            verdict: grows && ratio > 3.5 ? .agrees : .agreesInPart,
            sentence: (grows
                ? "As in the paper an f16 cache becomes most of the memory as batch and length grow"
                : "An f16 cache does not become most of the memory at these sizes")
                + "; \(cache) takes \(range(ratios)) times less"
                + (ratio > 3.5
                    ? ", the paper's factor of about 4 less the scales." : ", less than the paper's factor of about 4.")
        )
    }

    /// Figures 3 and 4.
    static func distributions(_ sample: SingleTokenSample) -> NQKVFinding {
        func kurtoses(_ part: CachePart) -> [Double] { sample.histograms.filter { $0.part == part }.map(\.kurtosis) }
        let (keys, values) = (kurtoses(.keys), kurtoses(.values))
        func isNear(_ kurtoses: [Double]) -> Bool { !kurtoses.isEmpty && kurtoses.allSatisfy { abs($0 - 3) < 1 } }
        let verdict: Verdict =
            isNear(keys) && isNear(values) ? .agrees : isNear(keys) || isNear(values) ? .agreesInPart : .differs
        let sentence =
            switch verdict {
            case .agrees:
                "Keys and values of this token have tails like those of a normal distribution, as the paper shows of OPT."
            case .agreesInPart:
                "\(isNear(keys) ? "Keys" : "Values") of this token have tails like those of a normal distribution, as the "
                    + "paper shows of OPT; \(isNear(keys) ? "values" : "keys") do not in every layer."
            default:
                "Neither keys nor values of this token have tails like those of a normal distribution in every layer, unlike those of OPT."
            }
        return NQKVFinding(
            experiment: "Figures 3 and 4: distributions and quantile-quantile plots of a token",
            published: "pictures that follow the normal curve and the diagonal",
            ours:
                "kurtosis of keys \(range(keys)), of values \(range(values)) in the first, middle and last layer (normal: 3)",
            verdict: verdict, sentence: sentence)
    }

    /// Table 1.
    static func normality(_ rows: [NormalityReport.Row], sample: SingleTokenSample) -> NQKVFinding {
        func rate(_ part: CachePart, rotated: Bool) -> Double? {
            rows.first { $0.part == part && $0.rotated == rotated && $0.unit != "token" }?.rejectionRate
        }
        func passing(_ probabilities: [Double]) -> String {
            "\(probabilities.count { $0 >= BlockStatistics.significance }) of \(probabilities.count)"
        }
        let experiment = "Table 1: test of normality of blocks"
        let published = "16 of 16 blocks of one token pass, p from 0.0865 to 0.970"
        guard let keys = rate(.keys, rotated: false), let values = rate(.values, rotated: false) else {
            return missing(experiment, published, "no block was tested")
        }
        // Twice the level: what a mostly normal model would not exceed.
        let limit = 2 * BlockStatistics.significance
        let verdict: Verdict =
            keys <= limit && values <= limit ? .agrees : keys <= limit || values <= limit ? .agreesInPart : .differs
        var sentence =
            "Of all blocks of all tokens \(percent(keys)) of the keys' and \(percent(values)) of the values' are rejected, "
            + "where 5 % would be if they were normal: "
        switch verdict {
        case .agrees: sentence += "they are close to normal, as in the paper."
        case .agreesInPart:
            sentence += "only \(keys <= limit ? "keys" : "values") are close to normal, as in the paper."
        default: sentence += "they are not normal, unlike OPT's in the paper."
        }
        if let keys = rate(.keys, rotated: true), let values = rate(.values, rotated: true) {
            sentence += " After a rotation of heads it is \(percent(keys)) and \(percent(values))."
        }
        if sample.blockLength < 256 {
            sentence += " A token has no 256 values here: the test finds less in blocks of \(sample.blockLength)."
        }
        return NQKVFinding(
            experiment: experiment, published: published,
            ours: "layer \(sample.layer): \(passing(sample.keyProbabilities)) blocks of keys pass, "
                + "\(passing(sample.valueProbabilities)) of values",
            verdict: verdict, sentence: sentence)
    }

    /// Table 2.
    static func accuracy(_ accuracies: [NQKVAccuracy], cache: String) -> NQKVFinding {
        let experiment = "Table 2: zero-shot accuracy"
        let pairs = stride(from: 0, to: PublishedNQKV.accuracies.count, by: 2).map {
            PublishedNQKV.accuracies[$0 + 1].average - PublishedNQKV.accuracies[$0].average
        }
        let published = "average change \(range(pairs)) points"
        guard let ours = accuracies.first(where: { $0.cache == cache }), let change = ours.difference else {
            return missing(
                experiment, published,
                "give the result of 'kvasir evaluate tasks --cache f16,\(cache)' with --tasks FILE")
        }
        let error = ours.differenceError ?? 0
        let worst = (pairs.min() ?? 0) / 100
        let isWithin = change >= worst
        let isWithinError = change + 2 * error >= worst
        return NQKVFinding(
            experiment: experiment, published: published,
            ours:
                "average change \(number(change * 100)) ± \(number(error * 100)) points over \(ours.tasks.count) of the 6 tasks",
            verdict: isWithin ? .agrees : isWithinError ? .agreesInPart : .differs,
            sentence: isWithin
                ? "The average changes by no more than the paper's worst model."
                : isWithinError
                    ? "The average falls by more than the paper's worst model, but by less than twice the standard error more."
                    : "The average falls by more than the paper's worst model.")
    }

    /// The cells of one batch and length.
    private struct Cell {
        let recomputed, plain, small: ServingResult
    }

    private static func cells(_ results: [ServingResult], cache: String) -> [Cell] {
        results.filter { $0.mode == .recomputed }.compactMap { base in
            func find(_ name: String) -> ServingResult? {
                results.first { $0.cache == name && $0.batch == base.batch && $0.length == base.length }
            }
            guard let plain = find("f16"), let small = find(cache) else { return nil }
            return Cell(recomputed: base, plain: plain, small: small)
        }
    }

    /// Table 4 and figure 8: throughput.
    static func serving(_ results: [ServingResult], cache: String) -> NQKVFinding {
        let experiment = "Table 4, figure 8: throughput"
        let rows = PublishedNQKV.serving
        func ratios(_ upper: Int, _ lower: Int) -> [Double] {
            rows.compactMap { row in
                guard let above = row.speeds[upper], let below = row.speeds[lower] else { return nil }
                return above / below
            }
        }
        let published =
            "NQKV \(range(ratios(2, 0), 1)) times no cache, \(range(ratios(2, 1))) times f16"
        let cells = cells(results, cache: cache)
        guard !cells.isEmpty else { return missing(experiment, published, "no batch was timed") }
        let gains = cells.map { $0.small.tokensPerSecond / $0.recomputed.tokensPerSecond }
        let costs = cells.map { $0.small.tokensPerSecond / $0.plain.tokensPerSecond }
        let isFaster = gains.allSatisfy { $0 > 1 }
        let isSlower = costs.allSatisfy { $0 < 1 }
        return NQKVFinding(
            experiment: experiment, published: published,
            ours: "\(cache) \(range(gains, 1)) times no cache, \(range(costs)) times f16",
            verdict: isFaster && isSlower ? .agrees : isFaster ? .agreesInPart : .differs,
            sentence: (isFaster
                ? "Against real recomputation the cache gains as in the paper, by a factor that grows with the tokens generated. "
                : "Against real recomputation the cache does not gain at every size. ")
                + (isSlower
                    ? "Against an ordinary f16 cache four bits are slower, as the paper's own table shows."
                    : costs.allSatisfy { $0 > 1 }
                        ? "Against an ordinary f16 cache four bits are faster here, where the paper's are slower."
                        : "Against an ordinary f16 cache four bits are slower at some sizes, as in the paper, and faster at others.")
        )
    }

    /// Table 4 and figure 9: peak memory.
    static func peaks(_ results: [ServingResult], cache: String) -> NQKVFinding {
        let experiment = "Table 4, figure 9: peak memory"
        let rows = PublishedNQKV.serving.compactMap { row -> Double? in
            guard let small = row.peaks[2], let plain = row.peaks[1] else { return nil }
            return small / plain
        }
        let published = "NQKV \(range(rows)) times the peak with an f16 cache"
        let ratios = cells(results, cache: cache).compactMap { cell -> Double? in
            guard cell.small.isPeakOfCell, cell.plain.isPeakOfCell, let small = cell.small.peakBytes,
                let plain = cell.plain.peakBytes
            else { return nil }
            return Double(small) / Double(plain)
        }
        guard !ratios.isEmpty else {
            return missing(experiment, published, "this system does not tell the peak of a part of a run")
        }
        let isSmaller = ratios.allSatisfy { $0 < 1 }
        return NQKVFinding(
            experiment: experiment, published: published,
            ours: "\(cache) \(range(ratios)) times the peak with an f16 cache",
            verdict: isSmaller ? .agrees : .agreesInPart,
            sentence: isSmaller
                ? "The peak falls as in the paper, the more the larger the batch; how much depends on the weights' share."
                : "The peak does not fall at every size: where caches are small beside weights there is nothing to save."
        )
    }

    static func missing(_ experiment: String, _ published: String, _ reason: String) -> NQKVFinding {
        NQKVFinding(
            experiment: experiment, published: published, ours: "nothing", verdict: .notMeasured,
            sentence: "Not measured: \(reason).")
    }
}
