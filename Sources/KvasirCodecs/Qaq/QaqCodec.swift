internal import CKvasir
internal import KvasirNumerics

/// QAQ: as many bits for each token as its influence on the output needs.
///
/// The error of a value reaches the output with the weight of its token, that of a key through the softmax. For a target of
/// either deviation a token needs a number of bits that depends on the range of its values and on the attention it got of
/// late (values) or on the length of queries (keys). The least and the largest values of a unit are kept as they are.
/// Codes are bit-planes of a nested quantizer, so that fewer bits are fewer planes.
///
/// Source: Dong et al., "QAQ: Quality Adaptive Quantization for LLM KV Cache" (arXiv:2403.04643).
struct QaqCodec: CacheCodec {
    let parameters: QaqParameters

    static let familyName = "qaq"

    var name: String { "\(Self.familyName)/\(parameters.description)" }
    var calibrations: Set<CalibrationKind> { [.queryNorms] }

    static var family: CodecFamily {
        func member(_ change: (inout QaqParameters) -> Void) -> QaqCodec {
            var parameters = QaqParameters()
            change(&parameters)
            return QaqCodec(parameters: parameters)
        }
        let members = [
            member { _ in },
            member { $0.mostBits = 8 }, member { ($0.leastBits, $0.mostBits) = (0, 1) },
            member { ($0.leastBits, $0.mostBits) = (3, 3) },
            member { $0.outliers = 0 }, member { ($0.outliers, $0.mostBits) = (4, 5) },
            member { $0.unit = .head }, member { $0.unit = .layer }, member { $0.variant = .code },
            member { $0.window = 1 }, member { $0.mode = .spill }, member { $0.mode = .full },
        ]
        return CodecFamily(
            name: familyName,
            summary: "QAQ: bits that follow attention, 0 to 8 by token, outliers kept in f16", members: members
        ) { (parameters) throws(CodecError) in
            QaqCodec(parameters: try QaqParameters(parsing: parameters))
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        var norms: [Double]?
        if let measured = layer.queryNorms {
            guard measured.count == layer.shape.kvHeads, measured.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
                throw CodecError(
                    reason: .needsCalibration, received: "query norms of \(measured.count) KV heads",
                    remedy: "the layer has \(layer.shape.kvHeads); measure this model's with "
                        + "'\(CalibrationKind.queryNorms.command)'")
            }
            norms = parameters.hasHeadUnits(ofKeys: true) ? measured.map(Double.init) : [Double(measured.max() ?? 0)]
        }
        return QaqKeys(
            try part(layer, norms: norms, followsAttention: false), instructionSet: layer.instructionSet)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        QaqValues(try part(layer, norms: nil, followsAttention: true), instructionSet: layer.instructionSet)
    }

    private func part(
        _ layer: LayerContext, norms: [Double]?, followsAttention: Bool
    ) throws(CodecError) -> AdaptivePart {
        let shape = layer.shape
        try shape.checkLanes()
        guard shape.headSize <= Int(KV_QAQ_MAX_HEAD) else {
            throw CodecError(
                reason: .unsupportedShape, received: "head size \(shape.headSize)",
                remedy: "it takes heads of up to \(KV_QAQ_MAX_HEAD) channels; f16 takes every head size")
        }
        return AdaptivePart(parameters, shape: shape, norms: norms, followsAttention: followsAttention)
    }
}

/// Keys as bit-planes.
private struct QaqKeys: KeyCodec, @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    private let part: AdaptivePart
    private let kernels: UnsafePointer<kv_qaq_kernels>

    init(_ part: AdaptivePart, instructionSet: InstructionSet) {
        self.part = part
        shape = part.shape
        kernels = kv_qaq_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    var storage: PartStorage { part.storage }
    var adaptive: AdaptivePart? { part }
    var queryBytes: Int { shape.headSize * MemoryLayout<Float>.stride }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into memory: UnsafeMutableRawPointer) {
        part.encode(vector, position: position, into: memory)
    }

    func decode(position: Int, of memory: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        part.decode(position: position, of: memory, into: vector)
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        let values = prepared.assumingMemoryBound(to: Float.self)
        for channel in 0..<shape.headSize { values[channel] = query[channel] * factor }
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: part.format) {
                kernels.pointee.score(
                    $0, run, UInt32(head), queries.assumingMemoryBound(to: Float.self), rows, scores, stride)
            }
        }
    }
}

/// Values as bit-planes.
private struct QaqValues: ValueCodec, @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    private let part: AdaptivePart
    private let kernels: UnsafePointer<kv_qaq_kernels>

    init(_ part: AdaptivePart, instructionSet: InstructionSet) {
        self.part = part
        shape = part.shape
        kernels = kv_qaq_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    var storage: PartStorage { part.storage }
    var adaptive: AdaptivePart? { part }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into memory: UnsafeMutableRawPointer) {
        part.encode(vector, position: position, into: memory)
    }

    func decode(position: Int, of memory: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        part.decode(position: position, of: memory, into: vector)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: part.format) {
                kernels.pointee.mix($0, run, UInt32(head), weights, rows, stride, out)
            }
        }
    }
}

extension AdaptivePart {
    fileprivate var shape: HeadShape {
        HeadShape(kvHeads: Int(format.heads.kv_heads), headSize: Int(format.heads.head_size))
    }

    fileprivate func encode(_ vector: UnsafePointer<Float>, position: Int, into memory: UnsafeMutableRawPointer) {
        withUnsafePointer(to: format) { kv_qaq_encode($0, vector, position % PageGeometry.tokens, memory) }
    }

    fileprivate func decode(
        position: Int, of memory: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: format) { kv_qaq_decode($0, memory, position % PageGeometry.tokens, vector) }
    }
}
