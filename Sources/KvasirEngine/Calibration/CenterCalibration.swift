internal import KvasirCodecs

/// The mean keys of a model before rotary embedding, as `kvasir calibrate center` measured them and a file holds them.
///
/// The file has one tensor, `keys.mean` of [layers, KV heads x head size] in F32.
public struct CenterCalibration: Sendable, Hashable {
    /// Which model, and what was run.
    public let origin: CalibrationOrigin
    /// The mean key of each layer, all KV heads concatenated.
    public let means: [[Float]]

    private static let tensor = "keys.mean"

    /// Describes a measurement.
    public init(origin: CalibrationOrigin, means: [[Float]]) {
        self.origin = origin
        self.means = means
    }

    /// Writes the file; a reader sees all of it or what was there before.
    ///
    /// - Throws: `CalibrationError` if it cannot be written.
    public func write(to path: String) throws(CalibrationError) {
        let tensor = CalibrationFile.Tensor(
            name: Self.tensor, shape: [means.count, means.first?.count ?? 0], values: .float32(means.flatMap { $0 }))
        try CalibrationFile(kind: .center, origin: origin, tensors: [tensor]).write(to: path)
    }

    /// Reads a file.
    ///
    /// - Throws: `CalibrationError` if there is none, or it is damaged or of another kind or version.
    public init(path: String) throws(CalibrationError) { try self.init(CalibrationFile(path: path), path: path) }

    init(_ file: CalibrationFile, path: String) throws(CalibrationError) {
        try file.check(.center, path: path)
        guard file.tensors.count == 1, let tensor = file.tensors.first, tensor.name == Self.tensor,
            tensor.shape.count == 2, case .float32(let values) = tensor.values, values.allSatisfy(\.isFinite)
        else { throw CalibrationFile.damaged(path, "no '\(Self.tensor)' of finite numbers") }
        origin = file.origin
        let width = tensor.shape[1]
        means = (0..<tensor.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
    }
}
