internal import Crypto
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

    /// Where a measurement of the model comes from.
    ///
    /// - Parameters:
    ///   - source: what was run, in words.
    ///   - tokens: how many tokens were run.
    /// - Throws: as `fingerprint`.
    public func calibrationOrigin(source: String, tokens: Int) throws -> CalibrationOrigin {
        CalibrationOrigin(
            model: try fingerprint(), family: decoder.info.architecture, order: decoder.info.channelOrder,
            source: source, tokens: tokens)
    }

    /// The calibration files that a cache reads: those that were named, and those beside the model for what else it needs.
    public func calibrationFiles(for cache: CacheConfiguration) -> [String] {
        let beside = cache.calibrations.map { $0.path(beside: path) }.sorted()
        return calibrations + beside.filter { !calibrations.contains($0) && FileManager.default.fileExists(atPath: $0) }
    }

    /// SHA-256 of the files that a cache and the model's weights read, ascending.
    func calibrationDigests(for cache: CacheConfiguration) throws -> [String] {
        let files = Set(calibrationFiles(for: cache) + [weightCalibration].compactMap { $0 })
        return try Set(
            files.map { path in
                let file = try MappedFile(path: path)
                var hash = SHA256()
                hash.update(bufferPointer: file.bytes)
                return hash.finalize().hexadecimal
            }
        ).sorted()
    }

    /// What is known of the model's keys and values, as far as a cache needs it.
    func statistics(for cache: CacheConfiguration) throws -> ModelStatistics {
        if hasSmoothedValues, let kind = cache.calibrations.first(where: \.dependsOnValues) {
            throw CalibrationError(
                .impossible, received: "'\(kind.name)' on weights whose values are smoothed",
                remedy: "it was measured on other values; calibrate smoothquant without the site "
                    + "'\(SmoothingSite.attentionOutput.rawValue)'")
        }
        return try decoder.info.statistics(
            for: cache, of: ModelFiles(path: path).checkpoint.tensors, path: path, calibrations: calibrations)
    }
}

extension ModelInfo {
    /// What is known of a model's keys and values, as far as a cache needs it: nothing is read for one that needs nothing.
    ///
    /// What a codec needs comes from the file among `calibrations` that holds it, or else from the file beside the model;
    /// where there is neither, the codec says what is missing.
    ///
    /// - Parameters:
    ///   - cache: the configuration.
    ///   - tensors: the model's.
    ///   - path: where the model is.
    ///   - calibrations: files that were named.
    /// - Throws: `CalibrationError` if a file is damaged or another model's, or if a named one holds codebooks for another
    ///   scheme than the cache's.
    public func statistics(
        for cache: CacheConfiguration, of tensors: @autoclosure () throws -> any WeightSource, path: String,
        calibrations: [String]
    ) throws -> ModelStatistics {
        var statistics = ModelStatistics(rotary: rotary)
        let needs = cache.calibrations.sorted { $0.name < $1.name }
        guard !needs.isEmpty else { return statistics }
        let named = try calibrations.map { (path: $0, file: try CalibrationFile(path: $0)) }
        var found: [(kind: CalibrationKind, path: String, file: CalibrationFile)] = []
        for need in needs {
            let usual = need.path(beside: path)
            if let match = named.first(where: { $0.file.kind == need.name }) {
                found.append((need, match.path, match.file))
            } else if let other = named.first(where: { need.isSibling(ofKind: $0.file.kind) }) {
                try other.file.check(need, path: other.path)
            } else if FileManager.default.fileExists(atPath: usual) {
                found.append((need, usual, try CalibrationFile(path: usual)))
            }
        }
        guard !found.isEmpty else { return statistics }
        let own = try ModelFingerprint.of(tensors())
        for (kind, file, contents) in found {
            try check(contents.origin, of: file, kind, fingerprint: own, path: path)
            switch kind {
            case .center: statistics.means = try CenterCalibration(contents, path: file).means
            case .coupled: statistics.codebooks[kind] = try CoupledCalibration(contents, path: file).layers
            case .queryNorms: statistics.queryNorms = try QueryNormCalibration(contents, path: file).norms
            }
        }
        return statistics
    }

    private func check(
        _ origin: CalibrationOrigin, of file: String, _ kind: CalibrationKind, fingerprint: String, path: String
    ) throws(CalibrationError) {
        try origin.check(fingerprint: fingerprint, of: file, model: path, command: kind.command)
        guard origin.order == channelOrder else {
            throw CalibrationError(
                .otherModel,
                received: "\(file) has channels in the order '\(origin.order?.rawValue ?? "none")', the model has "
                    + "'\(channelOrder?.rawValue ?? "none")'",
                remedy: "measure this model with '\(kind.command)'")
        }
    }
}

extension CalibrationOrigin {
    /// Checks that a file was made for a model.
    ///
    /// - Throws: `CalibrationError` naming both.
    func check(fingerprint: String, of file: String, model path: String, command: String) throws(CalibrationError) {
        guard model == fingerprint else {
            throw CalibrationError(
                .otherModel,
                received:
                    "\(file) was made for model \(model.prefix(12)), not for \(fingerprint.prefix(12)) (\(path))",
                remedy: "measure this model with '\(command)'")
        }
    }
}

extension CalibrationKind {
    /// Whether it was measured on the values that the cache stores.
    fileprivate var dependsOnValues: Bool {
        switch self {
        case .center, .queryNorms: false
        case .coupled: true
        }
    }

    /// Whether a file of another kind was meant for this need: codebooks of another scheme.
    fileprivate func isSibling(ofKind name: String) -> Bool {
        switch self {
        case .center, .queryNorms: false
        case .coupled: name.hasPrefix("cq-") && name != self.name
        }
    }
}
