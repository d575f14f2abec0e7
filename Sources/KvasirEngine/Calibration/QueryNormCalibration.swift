internal import KvasirCodecs

/// How long the queries of a model are, as `kvasir calibrate qaq` measured it and a file holds it.
///
/// The file has one tensor, `queries.norm` of [layers, KV heads] in F32: the 90th percentile of the squared length of the
/// queries of a KV head's group as scores use them, after rotary embedding and times the factor of scores; of the group's
/// heads the one with the most.
public struct QueryNormCalibration: Sendable, Hashable {
    /// Which model, and what was run.
    public let origin: CalibrationOrigin
    /// The percentile by layer and KV head.
    public let norms: [[Float]]

    private static let tensor = "queries.norm"

    /// Describes a measurement.
    public init(origin: CalibrationOrigin, norms: [[Float]]) {
        self.origin = origin
        self.norms = norms
    }

    /// Writes the file; a reader sees all of it or what was there before.
    ///
    /// - Throws: `CalibrationError` if it cannot be written.
    public func write(to path: String) throws(CalibrationError) {
        let tensor = CalibrationFile.Tensor(
            name: Self.tensor, shape: [norms.count, norms.first?.count ?? 0], values: .float32(norms.flatMap { $0 }))
        try CalibrationFile(kind: .queryNorms, origin: origin, tensors: [tensor]).write(to: path)
    }

    /// Reads a file.
    ///
    /// - Throws: `CalibrationError` if there is none, or it is damaged or of another kind or version.
    public init(path: String) throws(CalibrationError) { try self.init(CalibrationFile(path: path), path: path) }

    init(_ file: CalibrationFile, path: String) throws(CalibrationError) {
        try file.check(.queryNorms, path: path)
        guard file.tensors.count == 1, let tensor = file.tensors.first, tensor.name == Self.tensor,
            tensor.shape.count == 2, case .float32(let values) = tensor.values,
            values.allSatisfy({ $0.isFinite && $0 >= 0 })
        else { throw CalibrationFile.damaged(path, "no '\(Self.tensor)' of squared lengths") }
        origin = file.origin
        let heads = tensor.shape[1]
        norms = (0..<tensor.shape[0]).map { Array(values[$0 * heads..<($0 + 1) * heads]) }
    }
}
