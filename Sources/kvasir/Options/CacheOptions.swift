import ArgumentParser
import Foundation
import KvasirCache
import KvasirNumerics

/// How keys and values are stored, and how many bytes they may take.
struct CacheOptions: ParsableArguments {
    /// The variable that holds the configuration where the command line has none.
    static let variable = "KVASIR_CACHE"

    @Option(
        help: ArgumentHelp(
            "How keys and values are stored: one codec (f16), one for each (K=f16,V=nf4/b64), or a preset "
                + "(\(CachePreset.all.map(\.name).joined(separator: ", "))); then, after semicolons, recent=N and sinks=N "
                + "(the last and first tokens that stay f16) and layers LIST=CODEC. "
                + "(default: \(variable), or \(CacheConfiguration.default))", valueName: "spec"))
    var cache: String?

    @Option(
        name: [.customLong("cache-type-k"), .customLong("ctk", withSingleDash: true)],
        help: ArgumentHelp("Codec of the keys alone.", valueName: "codec"))
    var cacheTypeK: String?

    @Option(
        name: [.customLong("cache-type-v"), .customLong("ctv", withSingleDash: true)],
        help: ArgumentHelp("Codec of the values alone.", valueName: "codec"))
    var cacheTypeV: String?

    @OptionGroup var statistics: CalibrationOptions

    @Option(help: ArgumentHelp("The most memory the cache may take: 512MiB, 2GiB, or bytes.", valueName: "size"))
    var cacheBudget: String?

    func validate() throws {
        if cache != nil, cacheTypeK != nil || cacheTypeV != nil {
            throw ValidationError(
                "--cache sets the codec of keys and values: give it alone, or --cache-type-k and --cache-type-v")
        }
    }

    /// The configuration: that of `--cache`, or that of the environment with the parts replaced that are given.
    func configuration(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> CacheConfiguration {
        // Checked also where the command line overrides it: a wrong setting that shows up only now and then is worse.
        let base = try Self.configuration(in: environment) ?? .default
        if let cache { return try CacheConfiguration(parsing: cache) }
        return try base.replacing(keys: cacheTypeK, values: cacheTypeV)
    }

    /// The configuration of the environment; nil if it has none.
    private static func configuration(in environment: [String: String]) throws -> CacheConfiguration? {
        guard let text = environment[variable], !text.isEmpty else { return nil }
        do throws(CacheError) {
            return try CacheConfiguration(parsing: text)
        } catch {
            throw UsageError(message: "\(variable): \(error)")
        }
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
