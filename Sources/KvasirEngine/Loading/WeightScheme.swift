internal import Foundation
internal import KvasirModels

/// How the matrices of a model's layers are held in memory; embedding and output head stay as the file has them.
public enum WeightScheme: String, Sendable, Hashable, Codable, CaseIterable {
    /// As the file has them.
    case file
    /// SmoothQuant: 8-bit weights with a scale for each output channel, 8-bit activations with one for each token.
    ///
    /// Source: Xiao et al. (arXiv:2211.10438).
    case w8a8
    /// The same without smoothing; needs no calibration.
    case w8a8Unsmoothed = "w8a8-unsmoothed"
    /// SmoothQuant with one scale for each matrix, and one for all tokens that the calibration fixes: the paper's O3, and
    /// the setting of NQKV's table 3.
    case w8a8Static = "w8a8-static"

    /// Whether a calibration is needed.
    public var isCalibrated: Bool { self == .w8a8 || self == .w8a8Static }
}

/// What a scheme needs to load a model.
struct WeightPreparation {
    let conversion: WeightConversion?
    /// The calibration that was read; nil if none was needed.
    let calibration: String?
    /// Whether the values that the cache stores are others than the file's weights give.
    let changesValues: Bool

    /// Finds the calibration among the named files, or beside the model, and reads it.
    ///
    /// - Throws: `CalibrationError` if there is none, or it is damaged or another model's.
    init(_ scheme: WeightScheme, path: String, checkpoint: Checkpoint, calibrations: [String]) throws {
        guard scheme.isCalibrated else {
            conversion = scheme == .file ? nil : .int8(nil)
            calibration = nil
            changesValues = false
            return
        }
        let usual = SmoothQuantCalibration.path(beside: path)
        let named = try calibrations.first { try CalibrationFile(path: $0).kind == SmoothQuantCalibration.kind }
        guard let place = named ?? (FileManager.default.fileExists(atPath: usual) ? usual : nil) else {
            throw CalibrationError(
                .unreadable, received: "no \(usual)",
                remedy: "'\(scheme.rawValue)' needs the ranges of the activations: make them with "
                    + "'\(SmoothQuantCalibration.command)', or use '\(WeightScheme.w8a8Unsmoothed.rawValue)'")
        }
        let read = try SmoothQuantCalibration(path: place)
        try read.origin.check(
            fingerprint: ModelFingerprint.of(checkpoint.tensors), of: place, model: path,
            command: SmoothQuantCalibration.command)
        calibration = place
        conversion = scheme == .w8a8 ? .int8(read.smoothing) : .int8PerTensor(read.smoothing)
        changesValues = read.smoothing.sites.contains(.attentionOutput)
    }
}
