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
        CachePreset(name: "quality", configuration: "q8_0", summary: "8.5 bits, hardly to be told from f16"),
        CachePreset(
            name: "precise", configuration: "K=lm4/b128/rot/center,V=lm4/b128/rot",
            summary: "4.2 bits, a third of what balanced loses; after 'kvasir calibrate center'"),
        CachePreset(
            name: "centered", configuration: "K=nf4/b256/rot/center,V=nf4/b256/rot",
            summary: "the bits of balanced, less than half of what it loses; after 'kvasir calibrate center'"),
        CachePreset(
            name: "balanced", configuration: "nf4/b256/rot",
            summary: "4.1 bits, a third of what the same bits lose without rotation"),
        CachePreset(
            name: "small", configuration: "K=nf4/b256/rot,V=lm3/b128/rot", summary: "3.6 bits: values bear 3 bits best"),
        CachePreset(
            name: "tiny", configuration: "lm3/b128/rot",
            summary: "3.2 bits, where memory decides and quality may suffer"),
    ]

    /// The preset of a name, in either case.
    static func named(_ name: some StringProtocol) -> CachePreset? {
        let name = name.lowercased()
        return all.first { $0.name == name }
    }
}
