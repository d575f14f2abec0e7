internal import KvasirCodecs

/// A name for a configuration that has been measured.
public struct CachePreset: Sendable, Hashable {
    /// What is written in place of the first clause of a configuration.
    public let name: String
    /// The configuration it stands for.
    public let configuration: String
    /// When to choose it, in one line.
    public let summary: String

    /// Every preset, from the most bits to the fewest.
    public static let all: [CachePreset] = [
        CachePreset(
            name: "quality", configuration: isRegistered("q8_0") ? "q8_0" : "f16",
            summary: "not to be told from f16"),
        CachePreset(name: "balanced", configuration: "nf4/b64", summary: "4.25 bits, the better half of the size"),
        CachePreset(name: "small", configuration: "nf4/b256", summary: "4 bits and little else"),
        CachePreset(name: "tiny", configuration: "nf4/b256", summary: "the fewest bits that are of use"),
    ]

    /// The preset of a name, in either case.
    static func named(_ name: some StringProtocol) -> CachePreset? {
        let name = name.lowercased()
        return all.first { $0.name == name }
    }

    private static func isRegistered(_ family: String) -> Bool {
        CodecRegistry.families.contains { $0.name == family }
    }
}
