/// A family of codecs: one name, and the parameters that may follow it.
public struct CodecFamily: Sendable {
    /// The name before the first slash.
    public let name: String
    /// What it is, in one line.
    public let summary: String
    /// The codecs with default parameters and with every other value of each parameter, for listings and tests.
    public let members: [any CacheCodec]

    /// Creates a codec from the parameters after the name.
    let make: @Sendable (_ parameters: [String]) throws(CodecError) -> any CacheCodec
}

/// Every codec there is; adding one is adding a line here.
public enum CodecRegistry {
    /// The families, in the order in which they are listed.
    public static let families: [CodecFamily] = [
        DenseCodec.family(.float32),
        DenseCodec.family(.float16),
        DenseCodec.family(.bfloat16),
        GGMLCodec.family(.q8_0),
        GGMLCodec.family(.q5_1),
        GGMLCodec.family(.q5_0),
        GGMLCodec.family(.q4_1),
        GGMLCodec.family(.q4_0),
        GGMLCodec.family(.iq4_nl),
        NormalFloatCodec.family(bits: 4),
        NormalFloatCodec.family(bits: 3),
        NormalFloatCodec.family(bits: 2),
        LloydMaxCodec.family(bits: 4),
        LloydMaxCodec.family(bits: 3),
        LloydMaxCodec.family(bits: 2),
        LloydMaxCodec.family(bits: 1),
        KiviCodec.family(bits: 4),
        KiviCodec.family(bits: 2),
    ]

    /// What every codec takes after its own parameters, in the order in which names are written.
    static let modifiers = [RotatedCodec.parameter, CenteredCodec.parameter]

    /// Those in words.
    static let modifierList = modifiers.joined(separator: " and ")

    /// Returns the codec with a name such as `f16`, `nf4/b64` or `q4_0/rot`, in either case, parameters in any order.
    ///
    /// Every codec takes the parameters `rot`, the same codec on rotated heads, and `center`, the same on keys without
    /// their mean.
    ///
    /// - Throws: `CodecError` naming the nearest codec if there is none of this name, or the permitted parameters.
    public static func codec(named text: String) throws(CodecError) -> any CacheCodec {
        let words = text.lowercased().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let name = words.first ?? ""
        guard let family = families.first(where: { $0.name == name }) else {
            let names = families.map(\.name)
            let all = names.joined(separator: ", ")
            let nearest = nearestName(to: name, among: names)
            throw CodecError(
                reason: .unknownCodec, received: text,
                remedy: nearest.map { "did you mean '\($0)'? The codecs are \(all)" } ?? "the codecs are \(all)")
        }
        let parameters = words.dropFirst()
        var codec = try family.make(parameters.filter { !modifiers.contains($0) })
        for modifier in modifiers {
            let times = parameters.count(where: { $0 == modifier })
            guard times <= 1 else {
                throw CodecError(reason: .unknownParameter, received: text, remedy: "say '\(modifier)' once")
            }
            guard times == 1 else { continue }
            // The mean is taken away first, so that it is the outermost.
            codec = modifier == RotatedCodec.parameter ? RotatedCodec(base: codec) : CenteredCodec(base: codec)
        }
        return codec
    }

    /// Returns the name that takes the fewest edits to reach, if it takes fewer than half its letters.
    package static func nearestName(to received: String, among names: [String]) -> String? {
        let ranked = names.map { (name: $0, edits: editDistance(Array(received), Array($0))) }
        guard let best = ranked.min(by: { $0.edits < $1.edits }) else { return nil }
        return best.edits * 2 <= max(best.name.count, received.count) ? best.name : nil
    }

    /// Levenshtein distance.
    private static func editDistance(_ first: [Character], _ second: [Character]) -> Int {
        var row = Array(0...second.count)
        for (i, a) in first.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in second.enumerated() {
                let substituted = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[second.count]
    }
}
