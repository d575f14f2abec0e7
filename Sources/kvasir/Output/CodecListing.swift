import KvasirCache
import KvasirCodecs
import KvasirNumerics

/// Every codec and preset, for heads of one shape.
struct CodecListing: Encodable {
    struct Codec: Encodable {
        let name: String
        let family: String
        let summary: String
        /// Bits for each value of the keys and of the values; nil if the codec does not take this shape.
        let bitsPerValueK: Double?
        let bitsPerValueV: Double?
        /// Why the codec does not take this shape.
        let refusal: String?
        let keySpace: String
        /// Tokens at the end that the method keeps in f16.
        let windowK: Int
        let windowV: Int
        let needsCalibration: Bool
        /// Bytes of the codebooks of one layer, which all its pages share, and what they add to the bits of a value while
        /// `codebookTokens` tokens are cached.
        let codebookBytes: Int
        let codebookBitsPerValue: Double

        /// The tokens that codebooks are shared out among in the listing.
        static let codebookTokens = 32_768

        init(_ codec: any CacheCodec, _ family: CodecFamily, shape: HeadShape, instructionSet: InstructionSet) {
            name = codec.name
            self.family = family.name
            summary = family.summary
            keySpace = codec.keySpace.rawValue
            needsCalibration = !codec.calibrations.isEmpty
            do throws(CodecError) {
                let layer = try LayerContext.uncalibrated(
                    for: codec, shape: shape, instructionSet: instructionSet, seed: nil)
                let keys = try codec.keys(of: layer)
                let values = try codec.values(of: layer)
                codebookBytes = (keys.sharedTables + values.sharedTables)
                    .reduce(0) { $0 + ($1.purpose == .codebooks ? $1.bytes : 0) }
                bitsPerValueK = keys.storage.bitsPerValue(width: shape.width)
                bitsPerValueV = values.storage.bitsPerValue(width: shape.width)
                windowK = keys.residualTokens
                windowV = values.residualTokens
                refusal = nil
            } catch {
                codebookBytes = 0
                bitsPerValueK = nil
                bitsPerValueV = nil
                windowK = 0
                windowV = 0
                refusal = error.description
            }
            codebookBitsPerValue = Double(codebookBytes * 8) / Double(2 * Self.codebookTokens * shape.width)
        }
    }

    struct Preset: Encodable {
        let name: String
        let configuration: String
        let summary: String
    }

    let kvHeads: Int
    let headSize: Int
    let codecs: [Codec]
    let presets: [Preset]

    init(shape: HeadShape, instructionSet: InstructionSet) {
        kvHeads = shape.kvHeads
        headSize = shape.headSize
        codecs = CodecRegistry.families.flatMap { family in
            family.members.map { Codec($0, family, shape: shape, instructionSet: instructionSet) }
        }
        presets = CachePreset.all.map { Preset(name: $0.name, configuration: $0.configuration, summary: $0.summary) }
    }

    /// The listing for people.
    var text: String {
        var rows = [["CODEC", "K BITS", "V BITS", "CODEBOOKS", "KEYS", "WINDOW", "CALIBRATION", "WHAT IT IS"]]
        rows += codecs.map { codec in
            let window =
                codec.windowK == codec.windowV
                ? (codec.windowK == 0 ? "none" : "\(codec.windowK)") : "K:\(codec.windowK),V:\(codec.windowV)"
            return [
                codec.name, codec.bitsPerValueK?.fixed(3) ?? "-", codec.bitsPerValueV?.fixed(3) ?? "-",
                codec.codebookBytes == 0 ? "none" : "+\(codec.codebookBitsPerValue.fixed(3))", codec.keySpace, window,
                codec.needsCalibration ? "needed" : "none", codec.refusal ?? codec.summary,
            ]
        }
        let names = [["PRESET", "STANDS FOR", "WHEN"]] + presets.map { [$0.name, $0.configuration, $0.summary] }
        let tokens = Codec.codebookTokens.grouped
        return
            "Bits per value for \(kvHeads) KV heads of \(headSize) channels; those of codebooks, which all cached tokens "
            + "share, at \(tokens) tokens.\n\n" + table(columns: rows) + "\n\n"
            + table(columns: names)
    }
}
