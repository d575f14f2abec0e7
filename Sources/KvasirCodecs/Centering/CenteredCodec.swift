internal import CKvasir
internal import KvasirNumerics

/// Any codec for keys, on what is left of them when their mean is taken away.
///
/// Keys of a head point mostly one way: their mean before rotary embedding holds half to nine tenths of their energy, and
/// a codec spends its levels on saying it again for every token. Here only the difference from the mean is stored. The
/// mean m, turned to the key's position p, adds q . R(p) m to the score; for every pair (x, y) of the query's channels and
/// (a, b) of the mean's that is cos(p f) (x a + y b) + sin(p f) (y a - x b), a dot product with a vector that is the same
/// for all layers, heads and sequences: `RotaryPages`, which lies packed like keys and is scored like them.
///
/// What is taken away is the mean turned by those very cosines and sines, so their rounding to 8 bits costs nothing; only
/// that of the query's products does. Means are measured once per model by `kvasir calibrate center`.
struct CenteredCodec: CacheCodec {
    let base: any CacheCodec

    /// The parameter that asks for it, of every codec.
    static let parameter = "center"

    var name: String { "\(base.name)/\(Self.parameter)" }
    var keySpace: KeySpace { base.keySpace }
    var calibrations: Set<CalibrationKind> { base.calibrations.union([.center]) }

    func keys(of layer: LayerContext) throws(CodecError) -> any KeyCodec {
        if let refusal = base.transformRefusal {
            throw CodecError(reason: .unsupportedPart, received: name, remedy: "\(refusal); write \(base.name)")
        }
        guard let mean = layer.mean else {
            throw CodecError(
                reason: .needsCalibration, received: name,
                remedy:
                    "the mean keys of this model are not known; measure them with 'kvasir calibrate center', or leave "
                    + "'\(Self.parameter)' out")
        }
        guard mean.values.count == layer.shape.width, mean.values.allSatisfy(\.isFinite),
            mean.rotary.headSize == layer.shape.headSize
        else {
            throw CodecError(
                reason: .needsCalibration, received: "means of \(mean.values.count) channels",
                remedy: "the keys have \(layer.shape.width); measure this model's with 'kvasir calibrate center'")
        }
        return CenteredKeys(base: try base.keys(of: layer), rotary: mean.rotary, means: mean.values)
    }

    func values(of layer: LayerContext) throws(CodecError) -> any ValueCodec {
        throw CodecError(
            reason: .unsupportedPart, received: name,
            remedy: "only keys have a mean worth taking away: write K=\(name),V=\(base.name)")
    }
}

/// Keys of a centered codec.
private struct CenteredKeys: KeyCodec {
    let base: any KeyCodec
    let rotary: RotaryPages
    /// The two channels of every pair of a head, and the mean's values there: [head][pair].
    private let channels: [(Int, Int)]
    private let means: [(Float, Float)]

    init(base: any KeyCodec, rotary: RotaryPages, means: [Float]) {
        self.base = base
        self.rotary = rotary
        let shape = base.shape
        let channels = (0..<shape.headSize / 2).map {
            rotary.embedding.channels(ofPair: $0)
        }
        self.channels = channels
        self.means = (0..<shape.kvHeads).flatMap { head in
            channels.map { (means[head * shape.headSize + $0.0], means[head * shape.headSize + $0.1]) }
        }
    }

    var shape: HeadShape { base.shape }
    var storage: PartStorage { base.storage }
    var groupTokens: Int { base.groupTokens }
    var residualTokens: Int { base.residualTokens }
    var adaptive: AdaptivePart? { base.adaptive }
    var sharedTables: [CodecTable] { base.sharedTables + [rotary.table] }
    var queryBytes: Int { base.queryBytes + 2 * rotary.keys.queryBytes }

    var storesMeans: Bool { false }

    func reserve(positions: Int) {
        base.reserve(positions: positions)
        rotary.reserve(positions: positions)
    }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        guard let rest = kv_vector_scratch() else { preconditionFailure("every thread has its scratch memory") }
        rest.update(from: vector, count: shape.width)
        addMean(to: rest, at: position, factor: -1)
        base.encode(rest, position: position, into: part)
    }

    func encode(group vectors: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        let count = groupTokens * shape.width
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { rest in
            guard let rest = rest.baseAddress else { return }
            rest.initialize(from: vectors, count: count)
            for token in 0..<groupTokens { addMean(to: rest + token * shape.width, at: position + token, factor: -1) }
            base.encode(group: rest, position: position, into: part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        base.decode(position: position, of: part, into: vector)
        addMean(to: vector, at: position, factor: 1)
    }

    /// Adds `factor` times the mean, turned to a position, to the keys of all heads.
    private func addMean(to vector: UnsafeMutablePointer<Float>, at position: Int, factor: Float) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.headSize) { turn in
            guard let turn = turn.baseAddress else { return }
            rotary.read(position, into: turn)
            let pairs = channels.count
            for head in 0..<shape.kvHeads {
                let key = vector + head * shape.headSize
                for pair in 0..<pairs {
                    let (first, second) = channels[pair]
                    let (a, b) = means[head * pairs + pair]
                    let (cosine, sine) = (turn[pair], turn[pairs + pair])
                    key[first] += factor * (a * cosine - b * sine)
                    key[second] += factor * (a * sine + b * cosine)
                }
            }
        }
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        preconditionFailure("a query is prepared for its KV head")
    }

    /// The rows as the codec takes them; behind the last, their products with the mean, and behind those what rounding
    /// the products to 8 bits has left of them: the mean's scores are large, and a rounding of them is one of the key.
    func prepare(
        query: UnsafePointer<Float>, row: Int, of rows: Int, head: Int, factor: Float,
        into prepared: UnsafeMutableRawPointer
    ) {
        base.prepare(query: query, row: row, of: rows, head: head, factor: factor, into: prepared)
        guard let products = kv_vector_scratch() else { preconditionFailure("every thread has its scratch memory") }
        let pairs = channels.count
        for pair in 0..<pairs {
            let (x, y) = (query[channels[pair].0], query[channels[pair].1])
            let (a, b) = means[head * pairs + pair]
            products[pair] = x * a + y * b
            products[pairs + pair] = y * a - x * b
        }
        // Two queries whose sum is the products: what 8 bits hold of them, and the rest.
        let target = prepared + rows * base.queryBytes + row * rotary.keys.queryBytes
        let rounded = products + shape.headSize
        rotary.keys.prepare(query: products, factor: factor, into: target)
        rotary.keys.readRounded(target, into: rounded)
        for index in 0..<shape.headSize { products[index] = products[index] * factor - rounded[index] }
        rotary.keys.prepare(query: rounded, factor: 1, into: target)
        rotary.keys.prepare(query: products, factor: 1, into: target + rows * rotary.keys.queryBytes)
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        base.score(run, head: head, queries: queries, rows: rows, into: scores, stride: stride)
        rotary.withRun(beside: run) { run in
            rotary.keys.addPairs(
                run, head: 0, queries: queries + rows * base.queryBytes, rows: rows, into: scores, stride: stride)
        }
    }
}
