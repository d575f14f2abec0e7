internal import CKvasir
internal import Foundation
internal import KvasirCache
internal import KvasirCodecs
internal import KvasirNumerics
internal import KvasirWeights

/// The Llama family: RMS norms, grouped-query attention with rotary embedding, SwiGLU; no biases.
///
/// Source: Touvron et al., "LLaMA" (arXiv:2302.13971), section 2.2; grouped queries: Ainslie et al. (arXiv:2305.13245).
/// GGUF stores query and key rows permuted so that rotary embedding turns neighbouring channels.
struct LlamaModel: DecoderModel {
    let info: ModelInfo
    let weightBytes: Int

    private let configuration: LlamaConfiguration
    private let embedding: EmbeddingTable
    private let layers: [Layer]
    private let finalNorm: [Float]
    private let head: LinearLayer

    private struct Layer: Sendable {
        let attentionNorm: [Float]
        let projections: LinearLayer
        let output: LinearLayer
        let feedForwardNorm: [Float]
        let gateAndUp: LinearLayer
        let down: LinearLayer
    }

    init(_ file: GGUFFile, threads: ThreadPool) throws {
        let tensors = try TensorLoader(file, threads: threads)
        let configuration = try LlamaConfiguration(file)
        self.configuration = configuration
        let hidden = configuration.hiddenSize
        let width = configuration.heads.width
        let queryWidth = configuration.queryHeads * configuration.heads.headSize
        let inner = configuration.feedForwardSize

        let table = try tensors.table("token_embd.weight", columns: hidden)
        let vocabularySize = table.rows
        // One by one, not by `map`, which would first make room for as many layers as the file claims to have.
        var layers: [Layer] = []
        for index in 0..<configuration.layers {
            func linear(_ name: String, _ columns: Int, _ rows: Int) throws -> LinearWeight {
                try tensors.linear("blk.\(index).\(name).weight", columns: columns, rows: rows)
            }
            layers.append(
                Layer(
                    attentionNorm: try tensors.vector("blk.\(index).attn_norm.weight", count: hidden),
                    projections: LinearLayer(
                        try linear("attn_q", hidden, queryWidth), try linear("attn_k", hidden, width),
                        try linear("attn_v", hidden, width)),
                    output: LinearLayer(try linear("attn_output", queryWidth, hidden)),
                    feedForwardNorm: try tensors.vector("blk.\(index).ffn_norm.weight", count: hidden),
                    gateAndUp: LinearLayer(try linear("ffn_gate", hidden, inner), try linear("ffn_up", hidden, inner)),
                    down: LinearLayer(try linear("ffn_down", inner, hidden))))
        }
        self.layers = layers
        finalNorm = try tensors.vector("output_norm.weight", count: hidden)
        // A model without its own output matrix reads its logits off the embedding.
        let hasHead = file.tensorNames.contains("output.weight")
        let output = try tensors.linear(
            hasHead ? "output.weight" : "token_embd.weight", columns: hidden, rows: vocabularySize)
        head = LinearLayer(output)
        embedding = hasHead ? .file(table) : .head(output)
        try tensors.refuseUnused(family: "llama")

        weightBytes = tensors.loadedBytes
        info = try configuration.info(of: file, vocabularySize: vocabularySize)
    }

    /// Sizes and names, read without touching a weight.
    static func info(of file: GGUFFile) throws -> ModelInfo {
        let configuration = try LlamaConfiguration(file)
        let embedding = try TensorLoader.table("token_embd.weight", columns: configuration.hiddenSize, of: file)
        return try configuration.info(of: file, vocabularySize: embedding.rows)
    }

    func forward(_ step: ForwardStep, _ operations: Operations, _ workspace: DecoderWorkspace) {
        workspace.resize(rows: step.rows)
        let hidden = workspace.hidden.matrix
        let normed = workspace.normed.matrix
        let delta = workspace.delta.matrix
        let attended = workspace.attended.matrix
        let projections = workspace.projections.matrix
        let queryEnd = attended.columns
        let keyEnd = queryEnd + configuration.heads.width
        let queries = projections.columns(0..<queryEnd)
        let keys = projections.columns(queryEnd..<keyEnd)
        let values = projections.columns(keyEnd..<projections.columns)
        let gateAndUp = workspace.gateAndUp.matrix
        let gate = gateAndUp.columns(0..<configuration.feedForwardSize)
        let up = gateAndUp.columns(configuration.feedForwardSize..<gateAndUp.columns)

        let rotary = operations.rotaryTable(
            for: step, dimensions: configuration.rotaryDimensions, base: configuration.rotaryBase)
        operations.embed(step, from: embedding, into: hidden)
        for (index, layer) in layers.enumerated() {
            operations.normalize(hidden, layer.attentionNorm, epsilon: configuration.epsilon, into: normed)
            operations.multiply(normed, layer.projections, into: projections)
            operations.rotate(queries, heads: configuration.queryHeads, rotary)
            operations.rotate(keys, heads: configuration.heads.kvHeads, rotary)
            operations.attend(layer: index, step, queries: queries, keys: keys, values: values, into: attended)
            operations.multiply(attended, layer.output, into: delta)
            operations.add(delta, to: hidden)
            operations.normalize(hidden, layer.feedForwardNorm, epsilon: configuration.epsilon, into: normed)
            operations.multiply(normed, layer.gateAndUp, into: gateAndUp)
            operations.swiglu(gate: gate, up: up)
            operations.multiply(gate, layer.down, into: delta)
            operations.add(delta, to: hidden)
        }
        operations.advance(step)
    }

    func logits(
        rows: Range<Int>, _ operations: Operations, _ workspace: DecoderWorkspace,
        into logits: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(logits.count >= rows.count * info.vocabularySize, "the buffer holds the logits of every row")
        guard let target = logits.baseAddress else { return }
        let normed = workspace.normed.matrix.rows(0..<rows.count)
        operations.normalize(
            workspace.hidden.matrix.rows(rows), finalNorm, epsilon: configuration.epsilon, into: normed)
        operations.multiply(normed, head, into: FloatMatrix(target, rows: rows.count, columns: info.vocabularySize))
    }
}

/// The numbers of a Llama model, read from a GGUF file's metadata and checked.
struct LlamaConfiguration {
    let layers: Int
    let hiddenSize: Int
    let feedForwardSize: Int
    let queryHeads: Int
    let heads: HeadShape
    let contextLength: Int
    let rotaryDimensions: Int
    let rotaryBase: Double
    let epsilon: Float

    init(_ file: GGUFFile) throws {
        func size(_ key: String, default fallback: Int? = nil) throws -> Int {
            let name = "llama.\(key)"
            guard let value = try file.metadata.integer(ifPresent: name) ?? fallback else {
                throw ModelError(.badMetadata, received: name, remedy: "is missing; the file is incomplete")
            }
            guard value > 0, value <= 1 << 24 else {
                throw ModelError(.badMetadata, received: "\(name) = \(value)", remedy: "expected a positive size")
            }
            return value
        }
        layers = try size("block_count")
        hiddenSize = try size("embedding_length")
        feedForwardSize = try size("feed_forward_length")
        queryHeads = try size("attention.head_count")
        contextLength = try size("context_length")
        let kvHeads = try size("attention.head_count_kv", default: queryHeads)
        guard queryHeads % kvHeads == 0 else {
            throw ModelError(
                .badMetadata, received: "llama.attention.head_count_kv = \(kvHeads)",
                remedy: "expected a divisor of the \(queryHeads) query heads")
        }
        let headSize = try size("attention.key_length", default: hiddenSize / queryHeads)
        let valueSize = try size("attention.value_length", default: headSize)
        guard valueSize == headSize else {
            throw ModelError(
                .unsupportedFeature, received: "llama.attention.value_length = \(valueSize)",
                remedy: "heads whose values differ in size from their keys (\(headSize)) are not supported")
        }
        heads = HeadShape(kvHeads: kvHeads, headSize: headSize)
        rotaryDimensions = try size("rope.dimension_count", default: headSize)
        guard rotaryDimensions % 2 == 0, rotaryDimensions <= headSize else {
            throw ModelError(
                .badMetadata, received: "llama.rope.dimension_count = \(rotaryDimensions)",
                remedy: "expected an even number up to the head size \(headSize)")
        }
        rotaryBase = try Self.rotaryBase(file)
        guard try file.metadata.integer(ifPresent: "llama.expert_count") ?? 0 == 0 else {
            throw ModelError(
                .unsupportedFeature, received: "llama.expert_count",
                remedy: "mixtures of experts are not supported; use a dense model")
        }
        let key = "llama.attention.layer_norm_rms_epsilon"
        guard let epsilon = try file.metadata.float(ifPresent: key), epsilon >= 0, epsilon < 1 else {
            throw ModelError(.badMetadata, received: key, remedy: "is missing or impossible; the file is incomplete")
        }
        self.epsilon = epsilon
    }

    /// Reads the base of the rotary angles, and refuses any scaling of them.
    private static func rotaryBase(_ file: GGUFFile) throws -> Double {
        let key = "llama.rope.freq_base"
        let base = try file.metadata.float(ifPresent: key) ?? 10_000
        guard base.isFinite, base > 0 else {
            throw ModelError(
                .badMetadata, received: "\(key) = \(base)", remedy: "expected a positive number; the file is damaged")
        }
        let type = "llama.rope.scaling.type"
        let scaling = try file.metadata.string(ifPresent: type) ?? "none"
        guard scaling == "none" else {
            throw ModelError(
                .unsupportedFeature, received: "\(type) = \(scaling)",
                remedy: "scaled rotary embedding is not supported; use a model without it")
        }
        // A factor without a type scales linearly; old converters wrote it under the second name. 0 stands for none.
        for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
            let factor = try file.metadata.float(ifPresent: key) ?? 1
            guard factor == 1 || factor == 0 else {
                throw ModelError(
                    .unsupportedFeature, received: "\(key) = \(factor)",
                    remedy: "scaled rotary embedding is not supported; use a model without it")
            }
        }
        return Double(base)
    }

    /// Pair i of d channels turns by base^(-2i/d) a position.
    var rotary: RotaryGeometry {
        RotaryGeometry(
            frequencies: (0..<rotaryDimensions / 2).map {
                pow(rotaryBase, -2 * Double($0) / Double(rotaryDimensions))
            }, pairing: .adjacent)
    }

    func info(of file: GGUFFile, vocabularySize: Int) throws -> ModelInfo {
        ModelInfo(
            architecture: "llama", name: try file.metadata.string(ifPresent: "general.name") ?? "unnamed",
            vocabularySize: vocabularySize, contextLength: contextLength, hiddenSize: hiddenSize,
            feedForwardSize: feedForwardSize,
            cacheShape: CacheShape(layers: layers, heads: heads, queryHeads: queryHeads),
            rotary: [RotaryGeometry](repeating: rotary, count: layers))
    }
}
