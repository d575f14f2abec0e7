internal import Foundation
public import KvasirCache
internal import KvasirCodecs
public import KvasirModels
public import KvasirWeights

extension LanguageModel {
    /// What tells the model from another: a SHA-256 in hexadecimal over its tensors' names, types, shapes and ends.
    ///
    /// - Throws: as `ModelFiles` and `WeightError`, if the files have changed since they were loaded.
    public func fingerprint() throws -> String { try ModelFingerprint.of(ModelFiles(path: path).checkpoint.tensors) }

    /// The file that codecs which need a calibration read; nil if there is none.
    public var calibrationFile: String? {
        let file = calibrationPath ?? CenterCalibration.path(beside: path)
        return FileManager.default.fileExists(atPath: file) ? file : nil
    }

    /// What is known of the keys, as far as a cache needs it.
    func keyStatistics(for cache: CacheConfiguration) throws -> KeyStatistics {
        try decoder.info.keyStatistics(
            for: cache, of: ModelFiles(path: path).checkpoint.tensors, path: path, calibration: calibrationPath)
    }
}

extension ModelInfo {
    /// What is known of a model's keys, as far as a cache needs it: nothing is read for one that needs no calibration.
    ///
    /// - Parameters:
    ///   - cache: the configuration.
    ///   - tensors: the model's.
    ///   - path: where the model is.
    ///   - calibration: the file of a calibration; that beside the model, if there is one, if nil.
    /// - Throws: `CalibrationError` if the file is damaged or another model's.
    public func keyStatistics(
        for cache: CacheConfiguration, of tensors: @autoclosure () throws -> any WeightSource, path: String,
        calibration: String?
    ) throws -> KeyStatistics {
        let usual = CenterCalibration.path(beside: path)
        guard cache.needsCalibration, calibration != nil || FileManager.default.fileExists(atPath: usual) else {
            return KeyStatistics(rotary: rotary)
        }
        let file = calibration ?? usual
        let center = try CenterCalibration(path: file)
        let own = try ModelFingerprint.of(tensors())
        guard center.model == own else {
            throw CalibrationError(
                .otherModel,
                received: "\(file) was made for model \(center.model.prefix(12)), not for \(own.prefix(12)) (\(path))",
                remedy: "measure this model with 'kvasir calibrate center'")
        }
        guard let order = rotary.first?.order, order == center.order else {
            throw CalibrationError(
                .otherModel, received: "\(file) has channels in the order '\(center.order.rawValue)'",
                remedy: "the model has another order; measure it with 'kvasir calibrate center'")
        }
        return KeyStatistics(rotary: rotary, means: center.means)
    }
}
