extension CachePlan {
    /// What of a model does not agree with its configuration, a line each.
    static func hazards(of shape: CacheShape, layers: [Layer]) -> [String] { [] }
}
