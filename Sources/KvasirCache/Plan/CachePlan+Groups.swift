public import KvasirCodecs

extension CachePlan {
    /// Consecutive layers whose caches are alike.
    public struct LayerGroup: Sendable, Hashable {
        /// Indices of the layers.
        public var layers: ClosedRange<Int>
        /// Canonical name of the codec for keys.
        public let keyName: String
        /// Canonical name of the codec for values.
        public let valueName: String
        /// The clause that makes the layers differ from the others; nil if none does.
        public let deviation: String?
        /// Tokens that a query attends to, itself included; nil for all.
        public let slidingWindow: Int?
        /// The keys that queries read in f16; nil if there are none.
        public let exactKeys: ExactTokens?
        /// The values that queries read in f16; nil if there are none.
        public let exactValues: ExactTokens?
        /// What the keys of one layer take in a page.
        public let keyStorage: PartStorage
        /// What the values of one layer take in a page.
        public let valueStorage: PartStorage

        fileprivate init(_ layer: Layer) {
            layers = layer.index...layer.index
            keyName = layer.keyName
            valueName = layer.valueName
            deviation = layer.deviation
            slidingWindow = layer.slidingWindow
            exactKeys = layer.exactKeys?.tokens
            exactValues = layer.exactValues?.tokens
            keyStorage = layer.keys.storage
            valueStorage = layer.values.storage
        }

        fileprivate func isLike(_ other: LayerGroup) -> Bool {
            var other = other
            other.layers = layers
            return self == other
        }
    }

    /// The layers in order, those that are alike taken together.
    public var layerGroups: [LayerGroup] {
        layers.reduce(into: []) { groups, layer in
            let group = LayerGroup(layer)
            if let last = groups.last, last.isLike(group) {
                groups[groups.count - 1].layers = last.layers.lowerBound...layer.index
            } else {
                groups.append(group)
            }
        }
    }
}
