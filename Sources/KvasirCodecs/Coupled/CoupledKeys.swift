internal import CKvasir
internal import KvasirNumerics

/// Keys as indices of centroids of groups of channels.
struct CoupledKeys: KeyCodec, @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    private let tables: CoupledTables
    private let turns: RotaryTurns?
    private let kernels: UnsafePointer<kv_coupled_kernels>
    /// Whether a query is prepared as its products with all centroids, which scores then add up.
    private let usesProducts: Bool

    /// The most products of a query: beyond, making them would cost more than decoding some thousand tokens.
    private static let mostProducts = 16_384

    /// - Parameter turns: how keys are turned by position, if they are stored as they were before; nil if they are stored as
    ///   they come.
    init(_ codebooks: Codebooks, turns: RotaryTurns?, instructionSet: InstructionSet) {
        shape = codebooks.shape
        tables = CoupledTables(codebooks)
        self.turns = turns
        kernels = kv_coupled_kernels_for(kv_isa(rawValue: instructionSet.code))
        let products = shape.headSize / codebooks.scheme.channels * codebooks.scheme.centroids
        usesProducts = turns == nil && products <= Self.mostProducts
    }

    var storage: PartStorage { tables.storage }
    var sharedTables: [CodecTable] { [tables.table] + (turns.map { [$0.table] } ?? []) }

    /// Centroids lie where the keys are, so their mean costs nothing.
    var storesMeans: Bool { false }

    func reserve(positions: Int) { turns?.reserve(positions: positions) }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        guard let key = kv_vector_scratch() else { preconditionFailure("every thread has its scratch memory") }
        key.update(from: vector, count: shape.width)
        kv_coupled_sanitise(key, shape.width)
        if let turns {
            withUnsafePointer(to: turns.kernelTurns) { kv_coupled_turn($0, tables.format.heads, position, true, key) }
        }
        withUnsafePointer(to: tables.format) {
            kernels.pointee.encode($0, key, position % PageGeometry.tokens, part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        tables.decode(slot: position % PageGeometry.tokens, of: part, into: vector)
        guard let turns else { return }
        withUnsafePointer(to: turns.kernelTurns) { kv_coupled_turn($0, tables.format.heads, position, false, vector) }
    }

    var queryBytes: Int {
        let count = usesProducts ? Int(tables.format.groups) << Int(tables.format.bits) : shape.headSize
        return count * MemoryLayout<Float>.stride
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        preconditionFailure("a query is prepared for its KV head")
    }

    func prepare(
        query: UnsafePointer<Float>, row: Int, of rows: Int, head: Int, factor: Float,
        into prepared: UnsafeMutableRawPointer
    ) {
        let target = (prepared + row * queryBytes).assumingMemoryBound(to: Float.self)
        if usesProducts {
            withUnsafePointer(to: tables.format) { kernels.pointee.products($0, UInt32(head), query, factor, target) }
        } else {
            withUnsafePointer(to: kernelTurns) { kv_coupled_arrange($0, query, shape.headSize, factor, target) }
        }
    }

    private var kernelTurns: kv_coupled_turns { turns?.kernelTurns ?? kv_coupled_turns() }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        let queries = queries.assumingMemoryBound(to: Float.self)
        withUnsafePointer(to: run.kernelRun) { kernelRun in
            withUnsafePointer(to: tables.format) { format in
                if usesProducts {
                    kernels.pointee.score_products(format, kernelRun, UInt32(head), queries, rows, scores, stride)
                } else {
                    withUnsafePointer(to: kernelTurns) {
                        kernels.pointee.score(
                            format, $0, kernelRun, run.position, UInt32(head), queries, rows, scores, stride)
                    }
                }
            }
        }
    }
}

/// Values as indices of centroids of groups of channels.
struct CoupledValues: ValueCodec, @unchecked Sendable {  // the kernel table is a constant
    let shape: HeadShape
    private let tables: CoupledTables
    private let kernels: UnsafePointer<kv_coupled_kernels>

    init(_ codebooks: Codebooks, instructionSet: InstructionSet) {
        shape = codebooks.shape
        tables = CoupledTables(codebooks)
        kernels = kv_coupled_kernels_for(kv_isa(rawValue: instructionSet.code))
    }

    var storage: PartStorage { tables.storage }
    var sharedTables: [CodecTable] { [tables.table] }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        guard let value = kv_vector_scratch() else { preconditionFailure("every thread has its scratch memory") }
        value.update(from: vector, count: shape.width)
        kv_coupled_sanitise(value, shape.width)
        withUnsafePointer(to: tables.format) {
            kernels.pointee.encode($0, value, position % PageGeometry.tokens, part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        tables.decode(slot: position % PageGeometry.tokens, of: part, into: vector)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: run.kernelRun) { run in
            withUnsafePointer(to: tables.format) {
                kernels.pointee.mix($0, run, UInt32(head), weights, rows, stride, out)
            }
        }
    }
}
