import ArgumentParser
import KvasirCache
import KvasirNumerics

/// How keys and values are stored, and how many bytes they may take.
struct CacheOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Codec of the cache: one for keys and values (f16), or one for each (K=f16,V=nf4/b64). "
                + "(default: \(CacheConfiguration.default))", valueName: "spec"))
    var cache: String?

    @Option(
        name: [.customLong("cache-type-k"), .customLong("ctk", withSingleDash: true)],
        help: ArgumentHelp("Codec of the keys alone.", valueName: "codec"))
    var cacheTypeK: String?

    @Option(
        name: [.customLong("cache-type-v"), .customLong("ctv", withSingleDash: true)],
        help: ArgumentHelp("Codec of the values alone.", valueName: "codec"))
    var cacheTypeV: String?

    @Option(help: ArgumentHelp("The most memory the cache may take: 512MiB, 2GiB, or bytes.", valueName: "size"))
    var cacheBudget: String?

    func validate() throws {
        if cache != nil, cacheTypeK != nil || cacheTypeV != nil {
            throw ValidationError(
                "--cache sets the codec of keys and values: give it alone, or --cache-type-k and --cache-type-v")
        }
    }

    /// The configuration; a part that is not given is stored as by default.
    func configuration() throws -> CacheConfiguration {
        if let cache { return try CacheConfiguration(parsing: cache) }
        return try CacheConfiguration(
            keys: cacheTypeK ?? CacheConfiguration.default.keys,
            values: cacheTypeV ?? CacheConfiguration.default.values)
    }

    /// The budget in bytes; nil if there is none.
    func budget() throws -> Int? {
        try cacheBudget.map { text in
            do throws(ByteCountError) {
                return try ByteCount(parsing: text).bytes
            } catch {
                throw UsageError(message: "--cache-budget: \(error)")
            }
        }
    }
}
