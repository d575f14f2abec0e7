internal import KvasirNumerics
internal import KvasirWeights

/// From tokens to hidden states and from hidden states to logits: often one matrix for both.
struct OutputHead: Sendable {
    /// Where the embeddings of tokens are read from.
    let embedding: EmbeddingTable
    /// Tokens of the vocabulary.
    var vocabularySize: Int { matrix.rows }

    private let matrix: LinearLayer

    /// Reads the token embedding, and the output matrix where the model has one of its own.
    ///
    /// A config.json says so (`tie_word_embeddings`); a GGUF file, and a config.json that does not say, by the tensors.
    init(_ checkpoint: Checkpoint, _ tensors: TensorLoader, columns: Int) throws {
        let table = try tensors.tokenEmbedding(columns: columns)
        let isTied: Bool
        if checkpoint.format == .huggingFace, let said = try checkpoint.metadata.bool(ifPresent: "tie_word_embeddings")
        {
            isTied = said
            // Some files hold the one matrix under both names.
            if isTied { tensors.passOver(.output) }
        } else {
            isTied = !tensors.has(.output)
        }
        let weight = try tensors.linear(isTied ? .tokenEmbedding : .output, columns: columns, rows: table.rows)
        matrix = LinearLayer(weight)
        // A model that uses one matrix for both has it in memory anyway.
        embedding = isTied ? .head(weight) : .file(table)
    }

    /// Computes the logits of normed hidden states: rows x `vocabularySize`.
    func forward(_ input: FloatMatrix, _ operations: Operations, into logits: UnsafeMutableBufferPointer<Float>) {
        precondition(logits.count >= input.rows * vocabularySize, "the buffer holds the logits of every row")
        guard let target = logits.baseAddress else { return }
        operations.multiply(input, matrix, into: FloatMatrix(target, rows: input.rows, columns: vocabularySize))
    }
}
