internal import KvasirNumerics
internal import KvasirWeights

/// From hidden states to logits.
struct OutputHead: Sendable {
    /// Where the embeddings of tokens are read from: often one matrix is both.
    let embedding: EmbeddingTable
    /// Of the last layer's hidden state; nil for none.
    let norm: Norm?
    /// From the width of the hidden state to that of the matrix; nil if they are the same.
    let projection: LinearLayer?
    /// A row for every token of the vocabulary.
    let matrix: LinearLayer

    /// Reads the token embedding, and the output matrix where the model has one of its own.
    ///
    /// A config.json says so (`tie_word_embeddings`); a GGUF file, and a config.json that does not say, by the tensors.
    init(
        _ checkpoint: Checkpoint, _ tensors: TensorLoader, norm: Norm?, projection: LinearLayer? = nil, columns: Int
    ) throws {
        self.norm = norm
        self.projection = projection
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

    /// Computes the logits of some rows of the last step's hidden states: rows x vocabulary.
    func forward(
        rows: Range<Int>, _ operations: Operations, _ workspace: DecoderWorkspace,
        into logits: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(logits.count >= rows.count * matrix.rows, "the buffer holds the logits of every row")
        guard let target = logits.baseAddress else { return }
        var last = workspace.hidden.matrix.rows(rows)
        if let norm {
            let normed = workspace.normed.matrix.rows(0..<rows.count)
            operations.normalize(last, norm, into: normed)
            last = normed
        }
        if let projection {
            let narrow = workspace.delta.matrix.rows(0..<rows.count).columns(0..<projection.rows)
            operations.multiply(last, projection, into: narrow)
            last = narrow
        }
        operations.multiply(last, matrix, into: FloatMatrix(target, rows: rows.count, columns: matrix.rows))
    }
}
