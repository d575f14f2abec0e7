public import KvasirCodecs
internal import KvasirNumerics

/// What is known of a model's keys beside their shape.
public struct KeyStatistics: Sendable, Hashable {
    /// How the keys of each layer are turned by position; empty if the model does not turn them, or nobody said how.
    public var rotary: [RotaryEmbedding]
    /// The mean key of each layer before rotary embedding, all KV heads of a layer concatenated; empty if not measured.
    public var means: [[Float]]

    /// Nothing, or what there is.
    public init(rotary: [RotaryEmbedding] = [], means: [[Float]] = []) {
        self.rotary = rotary
        self.means = means
    }
}

/// The statistics by layer, as codecs are bound to them; layers that turn keys in the same way share a table.
struct KeyProfiles {
    /// Bytes of the tables for each position.
    let tableBytes: Int

    private let profiles: [KeyProfile]

    /// - Throws: `CacheError` if there are statistics for another number of layers.
    init(_ statistics: KeyStatistics, shape: CacheShape, instructionSet: InstructionSet) throws(CacheError) {
        for count in [statistics.rotary.count, statistics.means.count] where count != 0 && count != shape.layers {
            throw CacheError(
                .impossibleLayer, received: "statistics of \(count) layers",
                detail: "the model has \(shape.layers); calibrate this model")
        }
        guard !statistics.means.isEmpty, !statistics.rotary.isEmpty else {
            profiles = []
            tableBytes = 0
            return
        }
        var tables: [RotaryEmbedding: RotaryPages] = [:]
        var profiles: [KeyProfile] = []
        for (embedding, means) in zip(statistics.rotary, statistics.means) {
            do throws(CodecError) {
                if tables[embedding] == nil {
                    tables[embedding] = try RotaryPages(
                        embedding, headSize: shape.heads.headSize, instructionSet: instructionSet)
                }
                profiles.append(KeyProfile(rotary: tables[embedding], means: means))
            } catch {
                throw CacheError(.impossibleLayer, received: "rotary embedding", detail: error.description)
            }
        }
        self.profiles = profiles
        tableBytes = tables.values.reduce(0) { $0 + $1.bytesPerPosition }
    }

    /// What is known of a layer's keys.
    subscript(layer: Int) -> KeyProfile? { profiles.isEmpty ? nil : profiles[layer] }
}
