internal import CKvasir
internal import KvasirNumerics

/// The alignment of AlignedKV over 8-bit codes in nested planes: half of the memory of 16-bit floats, of which every query
/// reads 2, 4, 6 or 8 bits.
///
/// A code has an error in proportion to the range of its unit, the 64 tokens of a channel of keys or a token of values. In
/// a sum it counts by the range times what it is multiplied with. Where that product is a fourth
/// of the largest, 6 bits leave as large an error as the 8 bits of the largest, and so on. Keys are encoded when a page of them is whole;
/// until then queries read f16 copies.
///
/// Beyond the paper, which reads 16-bit floats: arXiv:2409.16546. The codes are those of QAQ's nested quantizer.
struct Aligned8Codec: CacheCodec {
    /// Bits more, or fewer if negative, than let no error exceed that of the largest product's 8 bits.
    let spare: Int

    /// Loses nothing that is seen, at little more traffic than one bit less.
    static let usual = Aligned8Codec(spare: 0)
    static let spares = -3...6

    var name: String { "aligned8/s\(spare)" }

    var transformRefusal: String? { "it chooses bits by the sizes that channels of keys and values have by themselves" }

    static var family: CodecFamily {
        CodecFamily(
            name: "aligned8",
            summary: "8-bit codes with AlignedKV's rule: attention reads 2, 4, 6 or 8 bits as precision needs",
            members: [usual, Aligned8Codec(spare: 1), Aligned8Codec(spare: -1)]
        ) { (parameters) throws(CodecError) in
            try Aligned8Codec(parsing: parameters)
        }
    }

    init(spare: Int) { self.spare = spare }

    private init(parsing parameters: [String]) throws(CodecError) {
        self = Self.usual
        for (index, parameter) in parameters.enumerated() {
            guard index == 0, let match = parameter.wholeMatch(of: /s(-?\d)/), let spare = Int(match.1),
                Self.spares.contains(spare)
            else {
                throw CodecError(
                    reason: .unknownParameter, received: parameter,
                    remedy: "aligned8 takes s<bits> once, with \(Self.spares.lowerBound) to \(Self.spares.upperBound) "
                        + "bits more than let no error exceed the largest term's (s\(Self.usual.spare) by default)")
            }
            self.init(spare: spare)
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        Aligned8Keys(layout: try Aligned8Layout(spare: spare, of: layer, kv_aligned8_resolve_keys))
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        Aligned8Values(layout: try Aligned8Layout(spare: spare, of: layer, kv_aligned8_resolve_values))
    }
}

/// Where the planes and ranges of a part lie, and who reads them.
struct Aligned8Layout: @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    let format: kv_aligned8_format
    let kernels: UnsafePointer<kv_aligned8_kernels>
    let meter = ReadMeter(widths: [2, 4, 6, 8])

    /// Of the least and the largest value of a unit.
    static let rangeBits = 32

    init(
        spare: Int, of layer: LayerContext, _ resolve: (UnsafeMutablePointer<kv_aligned8_format>?) -> Void
    ) throws(CodecError) {
        shape = layer.shape
        try shape.checkLanes()
        var format = kv_aligned8_format()
        format.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        // 6 bits have four times the error of 8.
        format.whole = Float(sign: .plus, exponent: -(2 + spare), significand: 1)
        resolve(&format)
        self.format = format
        kernels = kv_aligned8_kernels_for(kv_isa(rawValue: layer.instructionSet.code))
    }

    var storage: PartStorage {
        let planes = Int(format.least_at)
        return PartStorage(
            codes: shape.kvHeads * planes, scales: shape.kvHeads * (Int(format.head_bytes) - planes))
    }
}

/// Keys by channel, a page at a time.
private struct Aligned8Keys: SelectiveKeyCodec {
    let layout: Aligned8Layout

    var shape: HeadShape { layout.shape }
    var storage: PartStorage { layout.storage }
    var meter: ReadMeter { layout.meter }
    var groupTokens: Int { PageGeometry.tokens }
    var residualTokens: Int { PageGeometry.tokens }

    var queryBytes: Int { withUnsafePointer(to: layout.format) { kv_aligned8_query_bytes($0) } }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        preconditionFailure("keys are encoded in groups")
    }

    func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: layout.format) { kv_aligned8_encode_keys($0, vectors, part) }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: layout.format) {
            kv_aligned8_decode_keys($0, part, position % PageGeometry.tokens, vector)
        }
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        withUnsafePointer(to: layout.format) { kv_aligned8_prepare($0, query, factor, prepared) }
    }

    func choose(_ context: TokenRun, _ rows: QueryRows, prepared: UnsafeMutableRawPointer) {
        let units = withUnsafePointer(to: context.kernelRun) { run in
            withUnsafePointer(to: layout.format) {
                layout.kernels.pointee.choose_keys($0, run, context.position, rows.kernelTile, prepared)
            }
        }
        meter.add(estimatedBits: units * Aligned8Layout.rangeBits)
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        withUnsafePointer(to: run.kernelRun) { kernelRun in
            withUnsafePointer(to: layout.format) { format in
                meter.counting {
                    layout.kernels.pointee.score(
                        format, kernelRun, run.position, UInt32(head), queries, rows, scores, stride, $0)
                }
            }
        }
    }
}

/// Values token by token.
private struct Aligned8Values: SelectiveValueCodec {
    let layout: Aligned8Layout

    var shape: HeadShape { layout.shape }
    var storage: PartStorage { layout.storage }
    var meter: ReadMeter { layout.meter }

    var choiceBytes: Int { MemoryLayout<kv_aligned8_choice>.stride }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: layout.format) {
            kv_aligned8_encode_values($0, vector, position % PageGeometry.tokens, part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: layout.format) {
            kv_aligned8_decode_values($0, part, position % PageGeometry.tokens, vector)
        }
    }

    func choose(
        _ context: TokenRun, _ rows: QueryRows, weights: UnsafePointer<Float>, stride: Int,
        totals: UnsafePointer<Float>, into choices: UnsafeMutableRawPointer
    ) {
        let units = withUnsafePointer(to: context.kernelRun) { run in
            withUnsafePointer(to: layout.format) {
                layout.kernels.pointee.choose_values(
                    $0, run, context.position, rows.kernelTile, weights, stride,
                    choices.assumingMemoryBound(to: kv_aligned8_choice.self))
            }
        }
        meter.add(estimatedBits: units * Aligned8Layout.rangeBits)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        mix(run, head: head, weights: weights, rows: rows, stride: stride, choices: nil, into: out, counts: nil)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        choices: UnsafeRawPointer, into out: UnsafeMutablePointer<Float>
    ) {
        meter.counting {
            mix(
                run, head: head, weights: weights, rows: rows, stride: stride,
                choices: choices.assumingMemoryBound(to: kv_aligned8_choice.self), into: out, counts: $0)
        }
    }

    private func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        choices: UnsafePointer<kv_aligned8_choice>?, into out: UnsafeMutablePointer<Float>,
        counts: UnsafeMutablePointer<UInt64>?
    ) {
        withUnsafePointer(to: run.kernelRun) { kernelRun in
            withUnsafePointer(to: layout.format) {
                layout.kernels.pointee.mix(
                    $0, kernelRun, run.position, UInt32(head), weights, rows, stride, choices, out, counts)
            }
        }
    }
}
