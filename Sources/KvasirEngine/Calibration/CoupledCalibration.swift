public import KvasirCodecs

/// The codebooks of a model, as `kvasir calibrate coupled` learned them and a file holds them.
///
/// The file has two tensors for every layer, `layers.N.keys` and `layers.N.values` of
/// [KV heads, groups, centroids, channels] in F16.
public struct CoupledCalibration: Sendable, Hashable {
    /// How channels are coupled.
    public let scheme: CoupledScheme
    /// Which form of the keys was learned.
    public let keySpace: KeySpace
    /// Which model, and what was run.
    public let origin: CalibrationOrigin
    /// How they were learned, in words: weights, seed, rounds.
    public let settings: [String: String]
    /// The codebooks of each layer.
    public let layers: [LayerCodebooks]

    /// Describes codebooks.
    public init(
        scheme: CoupledScheme, keySpace: KeySpace, origin: CalibrationOrigin, settings: [String: String],
        layers: [LayerCodebooks]
    ) {
        self.scheme = scheme
        self.keySpace = keySpace
        self.origin = origin
        self.settings = settings
        self.layers = layers
    }

    /// What the codebooks are for.
    public var kind: CalibrationKind { .coupled(scheme, keySpace) }

    /// Writes the file; a reader sees all of it or what was there before.
    ///
    /// - Throws: `CalibrationError` if it cannot be written.
    public func write(to path: String) throws(CalibrationError) {
        let tensors = layers.enumerated().flatMap { index, layer in
            [("keys", layer.keys), ("values", layer.values)].map { name, books in
                CalibrationFile.Tensor(
                    name: "layers.\(index).\(name)",
                    shape: [
                        books.shape.kvHeads, books.shape.headSize / scheme.channels, scheme.centroids, scheme.channels,
                    ], values: .float16(books.centroids))
            }
        }
        let own = ["scheme": scheme.description, "key_space": keySpace.rawValue]
        try CalibrationFile(kind: kind, origin: origin, settings: settings.merging(own) { $1 }, tensors: tensors)
            .write(to: path)
    }

    /// Reads a file.
    ///
    /// - Throws: `CalibrationError` if there is none, or it is damaged or of another kind or version.
    public init(path: String) throws(CalibrationError) { try self.init(CalibrationFile(path: path), path: path) }

    init(_ file: CalibrationFile, path: String) throws(CalibrationError) {
        var settings = file.settings
        guard let name = settings.removeValue(forKey: "scheme"), let scheme = try? CoupledScheme(parsing: name),
            let space = settings.removeValue(forKey: "key_space").flatMap({ KeySpace(rawValue: $0) })
        else { throw CalibrationFile.damaged(path, "no scheme") }
        try file.check(.coupled(scheme, space), path: path)
        guard file.tensors.count % 2 == 0 else { throw CalibrationFile.damaged(path, "an odd number of tensors") }
        var byName: [String: CalibrationFile.Tensor] = [:]
        for tensor in file.tensors { byName[tensor.name] = tensor }
        func books(_ layer: Int, _ part: String) throws(CalibrationError) -> Codebooks {
            let name = "layers.\(layer).\(part)"
            guard let tensor = byName[name], tensor.shape.count == 4, tensor.shape[2] == scheme.centroids,
                tensor.shape[3] == scheme.channels, case .float16(let centroids) = tensor.values
            else { throw CalibrationFile.damaged(path, "no '\(name)' of scheme \(scheme)") }
            do throws(CodecError) {
                return try Codebooks(
                    scheme: scheme,
                    shape: HeadShape(kvHeads: tensor.shape[0], headSize: tensor.shape[1] * scheme.channels),
                    centroids: centroids)
            } catch {
                throw CalibrationFile.damaged(path, "\(name): \(error)")
            }
        }
        var layers: [LayerCodebooks] = []
        for index in 0..<file.tensors.count / 2 {
            layers.append(LayerCodebooks(keys: try books(index, "keys"), values: try books(index, "values")))
        }
        self.init(scheme: scheme, keySpace: space, origin: file.origin, settings: settings, layers: layers)
    }
}
