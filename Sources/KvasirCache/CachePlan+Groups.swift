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
        /// What the keys of one layer take in a page.
        public let keyStorage: PartStorage
        /// What the values of one layer take in a page.
        public let valueStorage: PartStorage

        fileprivate init(_ layer: Layer) {
            layers = layer.index...layer.index
            keyName = layer.keyName
            valueName = layer.valueName
            keyStorage = layer.keys.storage
            valueStorage = layer.values.storage
        }

        fileprivate func isLike(_ other: LayerGroup) -> Bool {
            keyName == other.keyName && valueName == other.valueName && keyStorage == other.keyStorage
                && valueStorage == other.valueStorage
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
