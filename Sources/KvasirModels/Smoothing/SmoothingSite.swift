/// An input of linear layers inside a decoder layer.
public enum SmoothingSite: String, Sendable, Hashable, CaseIterable {
    /// Of queries, keys and values.
    case attention
    /// Of attention's output projection.
    case attentionOutput = "attention-output"
    /// Of the MLP: gate and up, or fc1.
    case feedForward = "mlp"
    /// Of the MLP's output projection: down, or fc2.
    case down
}
