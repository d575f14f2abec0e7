/// What is measured of a layer.
public enum EntropyForm: String, Sendable, Hashable, Codable, CaseIterable {
    /// The keys before rotary embedding; for models without it, the keys.
    case keys = "keys before rotary"
    /// The keys after rotary embedding.
    case turnedKeys = "keys after rotary"
    /// The values.
    case values
}

/// Entropies of groups of neighbouring channels, added up over the groups; bits.
public struct EntropySums: Sendable, Hashable, Codable {
    /// Groups.
    public private(set) var groups = 0
    /// Of the first 1, 2, 3 and 4 channels of a group together.
    private var joint = [Double](repeating: 0, count: EntropyEvaluation.channels)
    private var jointCorrections = [Double](repeating: 0, count: EntropyEvaluation.channels)
    /// Of the same channels, each alone.
    private var alone = [Double](repeating: 0, count: EntropyEvaluation.channels)
    private var aloneCorrections = [Double](repeating: 0, count: EntropyEvaluation.channels)

    /// Creates the sums of no group.
    public init() {}

    init(_ histogram: JointHistogram) {
        groups = 1
        var sum = (bits: 0.0, correction: 0.0)
        for channel in joint.indices {
            let marginal = JointHistogram.entropy(histogram.marginals[channel], of: histogram.count)
            sum = (sum.bits + marginal.bits, sum.correction + marginal.correction)
            (alone[channel], aloneCorrections[channel]) = sum
            let together = JointHistogram.entropy(histogram.joints[channel], of: histogram.count)
            (joint[channel], jointCorrections[channel]) = together
        }
    }

    /// Adds others.
    public static func += (sum: inout EntropySums, other: EntropySums) {
        sum.groups += other.groups
        for channel in sum.joint.indices {
            sum.joint[channel] += other.joint[channel]
            sum.jointCorrections[channel] += other.jointCorrections[channel]
            sum.alone[channel] += other.alone[channel]
            sum.aloneCorrections[channel] += other.aloneCorrections[channel]
        }
    }

    /// The mean joint entropy of 1, 2, 3 and 4 neighbours, as observed.
    public var meanJoint: [Double] { joint.map(mean) }
    /// The mean sum of the entropies of the same channels, as observed.
    public var meanAlone: [Double] { alone.map(mean) }
    /// `meanJoint` with the correction of Miller and Madow.
    public var correctedJoint: [Double] { zip(joint, jointCorrections).map { mean($0 + $1) } }
    /// `meanAlone` with the correction of Miller and Madow.
    public var correctedAlone: [Double] { zip(alone, aloneCorrections).map { mean($0 + $1) } }

    private func mean(_ sum: Double) -> Double { groups > 0 ? sum / Double(groups) : 0 }
}

/// The entropies of one layer's keys, in one of their forms, or values.
public struct EntropyRow: Sendable, Hashable, Codable {
    /// Index of the layer; nil for several together.
    public let layer: Int?
    /// What was measured.
    public let form: EntropyForm
    /// Of all groups.
    public internal(set) var sums: EntropySums

    /// All layers together, by form.
    static func overLayers(_ rows: [EntropyRow]) -> [EntropyRow] {
        EntropyForm.allCases.compactMap { form in
            let own = rows.filter { $0.form == form }
            guard !own.isEmpty else { return nil }
            return EntropyRow(layer: nil, form: form, sums: own.reduce(into: EntropySums()) { $0 += $1.sums })
        }
    }
}
