internal import KvasirCodecs

extension CachePlan {
    /// A channel of keys whose bias is this many times the size of typical keys takes most of the levels of its block.
    ///
    /// Measured on Qwen2.5-Coder-0.5B (docs/models.md): its layers have 2 to 442, and keeping those above 16 apart undoes
    /// nearly all of the loss.
    private static let largeKeyBias = 16.0

    /// What of a model does not agree with its configuration, a line each.
    static func hazards(of shape: CacheShape, layers: [Layer]) -> [String] {
        let endangered = zip(layers, shape.keyBiases).filter { layer, bias in
            // Groups of tokens have scales by channel, which take a bias in.
            bias >= largeKeyBias && layer.keys.groupTokens == 1 && layer.keys.storesMeans
                && layer.keys.storage.bitsPerValue(width: shape.heads.width) < 8
        }
        guard let largest = shape.keyBiases.max(), !endangered.isEmpty else { return [] }
        let indices = endangered.map { "\($0.0.index)" }.joined(separator: ",")
        let names = Set(endangered.map(\.0.keyName)).sorted().joined(separator: ", ")
        return [
            "this model's keys have biases of up to \(Int(largest)) times their size in layers \(indices), where "
                + "\(names) loses most of what they say; use K=lm4/rot/center, K=kivi4, or K=q8_0"
        ]
    }
}
