/// A family of codecs: one name, or names of one pattern, and the parameters that may follow it.
public struct CodecFamily: Sendable {
    /// The name before the first slash; for a pattern, how it is written: `cq-<c>c<b>b`.
    public let name: String
    /// What it is, in one line.
    public let summary: String
    /// The codecs with default parameters and with every other value of each parameter, for listings and tests.
    public let members: [any CacheCodec]

    /// Whether a name before the first slash is of this family.
    let owns: @Sendable (_ name: String) -> Bool
    /// Creates a codec from its name before the first slash and the parameters after it.
    let make: @Sendable (_ name: String, _ parameters: [String]) throws(CodecError) -> any CacheCodec

    /// Describes a family whose names follow a pattern.
    init(
        name: String, summary: String, members: [any CacheCodec], owns: @escaping @Sendable (_ name: String) -> Bool,
        make: @escaping @Sendable (_ name: String, _ parameters: [String]) throws(CodecError) -> any CacheCodec
    ) {
        self.name = name
        self.summary = summary
        self.members = members
        self.owns = owns
        self.make = make
    }

    /// Describes a family with one name.
    init(
        name: String, summary: String, members: [any CacheCodec],
        make: @escaping @Sendable (_ parameters: [String]) throws(CodecError) -> any CacheCodec
    ) {
        self.init(name: name, summary: summary, members: members, owns: { $0 == name }) {
            (_, parameters) throws(CodecError) in
            try make(parameters)
        }
    }

    /// The names of its members before the first slash, each once.
    var memberNames: [String] {
        members.map { String($0.name.prefix { $0 != "/" }) }
            .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
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
        CoupledCodec.family,
        AlignedCodec.family,
        Aligned8Codec.family,
        QaqCodec.family,
    ]

    /// The names of all members before the first slash: what a misspelt name is compared with.
    package static var names: [String] { families.flatMap(\.memberNames) }

    /// What every codec takes after its own parameters, in the order in which names are written.
    static let modifiers = [RotatedCodec.parameter, CenteredCodec.parameter]

    /// Those in words.
    static let modifierList = modifiers.joined(separator: " and ")

    /// Returns the codec with a name such as `f16`, `nf4/b64` or `q4_0/rot`, in either case, parameters in any order.
    ///
    /// Every codec takes the parameters `rot`, the same codec on rotated heads, and `center`, the same on keys without
    /// their mean; those that were learned for vectors as they are refuse them when they are bound.
    ///
    /// - Throws: `CodecError` naming the nearest codec if there is none of this name, or the permitted parameters.
    public static func codec(named text: String) throws(CodecError) -> any CacheCodec {
        let words = text.lowercased().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let name = words.first ?? ""
        guard let family = families.first(where: { $0.owns(name) }) else {
            let all = families.map(\.name).joined(separator: ", ")
            let nearest = nearestName(to: name, among: names)
            throw CodecError(
                reason: .unknownCodec, received: text,
                remedy: nearest.map { "did you mean '\($0)'? The codecs are \(all)" } ?? "the codecs are \(all)")
        }
        let parameters = words.dropFirst()
        var codec = try family.make(name, parameters.filter { !modifiers.contains($0) })
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
