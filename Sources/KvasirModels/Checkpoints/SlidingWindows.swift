internal import KvasirWeights

extension Checkpoint {
    /// The sliding window of every layer, nil for layers that attend to everything; empty if no layer has one.
    ///
    /// A query at position p of a layer with window w attends to positions above p - w.
    ///
    /// - Parameters:
    ///   - layers: how many.
    ///   - isOptional: whether a window that is stated is used only if the file says so.
    ///   - isSliding: which layers have a window where the file does not list them.
    func slidingWindows(
        layers: Int, isOptional: Bool = false, _ isSliding: (Int) throws -> Bool
    ) throws -> [Int?] {
        guard try metadata.bool(ifPresent: "use_sliding_window") ?? !isOptional else { return [] }
        let key = spelling(of: .slidingWindow)
        guard let window = try metadata.integer(ifPresent: key), window != 0 else { return [] }
        let size = try self.size(.slidingWindow)
        let listed = try listedLayers()
        if let listed, listed.isSliding.count != layers {
            throw ModelError(
                .badMetadata, received: "\(listed.key) of \(listed.isSliding.count) layers",
                remedy: "expected \(layers), as \(spelling(of: .layers)) says; the file is inconsistent")
        }
        // One by one: the file may claim to have any number of layers.
        var windows: [Int?] = []
        for layer in 0..<layers {
            windows.append(try listed?.isSliding[layer] ?? isSliding(layer) ? size : nil)
        }
        return windows.contains { $0 != nil } ? windows : []
    }

    /// Which layers have a window, as the file lists them.
    private func listedLayers() throws -> (key: String, isSliding: [Bool])? {
        if format == .gguf {
            let key = "\(architecture).attention.sliding_window_pattern"
            return try metadata.bools(ifPresent: key).map { (key, $0) }
        }
        let key = "layer_types"
        guard let types = try metadata.strings(ifPresent: key) else { return nil }
        let isSliding = try types.map { type in
            switch type {
            case "sliding_attention": return true
            case "full_attention": return false
            default:
                throw ModelError(
                    .unsupportedFeature, received: "\(key) = \(type)",
                    remedy: "supported are layers of full_attention and sliding_attention")
            }
        }
        return (key, isSliding)
    }
}
