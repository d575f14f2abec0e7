internal import CKvasir
internal import KvasirNumerics

/// Every value stored as a float: `f32`, the exact reference, `f16`, what other engines use by default, and `bf16`, with the
/// range of the first and fewer digits than the second.
struct DenseCodec: CacheCodec {
    enum Element: String, Sendable {
        case float32 = "f32"
        case float16 = "f16"
        case bfloat16 = "bf16"
    }

    let element: Element

    var name: String { element.rawValue }

    static func family(_ element: Element) -> CodecFamily {
        let codec = DenseCodec(element: element)
        let summary =
            switch element {
            case .float32: "32-bit floats: exact, the reference"
            case .float16: "16-bit floats: the usual cache"
            case .bfloat16: "16-bit floats with 8 bits of precision and the range of 32-bit ones"
            }
        return CodecFamily(name: element.rawValue, summary: summary, members: [codec]) {
            (parameters) throws(CodecError) in
            if let parameter = parameters.first {
                throw CodecError(
                    reason: .unknownParameter, received: parameter,
                    remedy: "\(element.rawValue) takes no parameter but \(CodecRegistry.modifierList)")
            }
            return codec
        }
    }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        try layout(layer)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        DenseValues(layout: try layout(layer))
    }

    private func layout(_ layer: LayerContext) throws(CodecError) -> DenseKeys {
        let shape = layer.shape
        guard shape.headSize > 0, shape.kvHeads > 0, shape.width <= PageGeometry.longestVector else {
            throw CodecError(
                reason: .unsupportedShape, received: "\(shape.kvHeads) heads of \(shape.headSize) channels",
                remedy: "a token's vector has 1 to \(PageGeometry.longestVector) values")
        }
        // The vector kernels take 16 channels at a time; other head sizes are served by the plain ones.
        let isa = kv_isa(rawValue: (shape.headSize % 16 == 0 ? layer.instructionSet : .generic).code)
        return DenseKeys(shape: shape, element: element, isa: isa)
    }
}

/// Keys as floats, which is also the description of the layout for the values.
private struct DenseKeys: KeyCodec, @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    let element: DenseCodec.Element
    let heads: kv_heads
    let kernels: UnsafePointer<kv_dense_kernels>

    init(shape: HeadShape, element: DenseCodec.Element, isa: kv_isa) {
        self.shape = shape
        self.element = element
        self.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        self.kernels =
            switch element {
            case .float32: kv_dense_f32_kernels_for(isa)
            case .float16: kv_dense_f16_kernels_for(isa)
            case .bfloat16: kv_dense_bf16_kernels_for(isa)
            }
    }

    var storage: PartStorage {
        PartStorage(codes: PageGeometry.tokens * shape.width * (element == .float32 ? 4 : 2))
    }

    var queryBytes: Int { shape.headSize * MemoryLayout<Float>.stride }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        switch element {
        case .float32: kv_dense_f32_encode_keys(heads, vector, position % PageGeometry.tokens, part)
        case .float16: kv_dense_f16_encode_keys(heads, vector, position % PageGeometry.tokens, part)
        case .bfloat16: kv_dense_bf16_encode_keys(heads, vector, position % PageGeometry.tokens, part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        switch element {
        case .float32: kv_dense_f32_decode_keys(heads, part, position % PageGeometry.tokens, vector)
        case .float16: kv_dense_f16_decode_keys(heads, part, position % PageGeometry.tokens, vector)
        case .bfloat16: kv_dense_bf16_decode_keys(heads, part, position % PageGeometry.tokens, vector)
        }
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
            kernels.pointee.score(
                heads, run, UInt32(head), queries.assumingMemoryBound(to: Float.self), rows, scores, stride)
        }
    }
}

private struct DenseValues: ValueCodec {
    let layout: DenseKeys

    var shape: HeadShape { layout.shape }
    var storage: PartStorage { layout.storage }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        switch layout.element {
        case .float32: kv_dense_f32_encode_values(layout.heads, vector, position % PageGeometry.tokens, part)
        case .float16: kv_dense_f16_encode_values(layout.heads, vector, position % PageGeometry.tokens, part)
        case .bfloat16: kv_dense_bf16_encode_values(layout.heads, vector, position % PageGeometry.tokens, part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        switch layout.element {
        case .float32: kv_dense_f32_decode_values(layout.heads, part, position % PageGeometry.tokens, vector)
        case .float16: kv_dense_f16_decode_values(layout.heads, part, position % PageGeometry.tokens, vector)
        case .bfloat16: kv_dense_bf16_decode_values(layout.heads, part, position % PageGeometry.tokens, vector)
        }
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            layout.kernels.pointee.mix(layout.heads, run, UInt32(head), weights, rows, stride, out)
        }
    }
}
