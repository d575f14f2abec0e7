internal import Foundation
public import KvasirCache
internal import KvasirCodecs
public import KvasirEngine
internal import KvasirModels

/// What computed a result.
public struct MachineDescription: Codable, Sendable, Hashable {
    /// The processor as it calls itself, or the name of its architecture.
    public let processor: String
    /// The kernels that were used.
    public let instructionSet: String
    /// Threads that computed.
    public let threads: Int

    /// Describes a machine.
    public init(processor: String = MachineDescription.processorName, instructionSet: String, threads: Int) {
        self.processor = processor
        self.instructionSet = instructionSet
        self.threads = threads
    }

    /// The name of this machine's processor.
    public static var processorName: String {
        #if os(Linux)
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix("model name") }
        if let name = line?.split(separator: ":", maxSplits: 1).last {
            return name.trimmingCharacters(in: .whitespaces)
        }
        #elseif canImport(Darwin)
        var size = 0
        if sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0) == 0, size > 1 {
            var name = [UInt8](repeating: 0, count: size)
            if sysctlbyname("machdep.cpu.brand_string", &name, &size, nil, 0) == 0 {
                return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
            }
        }
        #endif
        var system = utsname()
        guard uname(&system) == 0 else { return "unknown" }
        return withUnsafeBytes(of: system.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// The model that was measured.
public struct ModelDescription: Codable, Sendable, Hashable {
    /// The file's name without folder and extension.
    public let file: String
    /// The model's name as the file gives it.
    public let name: String
    /// The family, `llama` for example.
    public let architecture: String
    /// Layers with a cache.
    public let layers: Int
    /// KV heads of a layer.
    public let kvHeads: Int
    /// Channels of a head.
    public let headSize: Int
    /// Bytes of the weights in memory.
    public let weightBytes: Int
    /// SHA-256 of the file; of a folder, the fingerprint of its tensors.
    public let sha256: String
    /// SHA-256 of each calibration file that the weights or a cache read, by name; nil if none does.
    public internal(set) var calibrations: [String: String]?
    /// How the matrices of the layers were held; nil if as the file has them.
    public let weights: WeightScheme?

    /// The file's name, and how its weights were held if otherwise than there.
    public var label: String { weights.map { "\(file) (\($0.rawValue))" } ?? file }

    /// Describes a loaded model; reads its file once more for the hash.
    ///
    /// - Parameters:
    ///   - model: the model.
    ///   - caches: the caches it is run with.
    /// - Throws: `EvaluationError` if a file can no longer be read.
    public init(_ model: LanguageModel, caches: [CacheConfiguration]) throws(EvaluationError) {
        let info = model.decoder.info
        file = model.fileName
        name = info.name
        architecture = info.architecture
        layers = info.cacheShape.layers
        kvHeads = info.cacheShape.heads.kvHeads
        headSize = info.cacheShape.heads.headSize
        weightBytes = model.decoder.weightBytes
        sha256 = try Self.hash(of: model)
        var calibrations: [String: String] = [:]
        let files = caches.flatMap { model.calibrationFiles(for: $0) } + [model.weightCalibration].compactMap { $0 }
        for file in Set(files) {
            calibrations[URL(filePath: file).lastPathComponent] = try EvaluationFile.sha256(ofFile: file)
        }
        self.calibrations = calibrations.isEmpty ? nil : calibrations
        weights = model.weights == .file ? nil : model.weights
    }

    /// The model of two results, with the calibrations of both; nil if it is not the same one.
    ///
    /// Caches without calibrations read none, so that results of other caches of the same model name other files. They agree
    /// unless two files that serve the same purpose (`….center.safetensors`) differ.
    func joined(with other: ModelDescription) -> ModelDescription? {
        var (bare, otherBare) = (self, other)
        (bare.calibrations, otherBare.calibrations) = (nil, nil)
        guard bare == otherBare else { return nil }
        let (own, others) = (calibrations ?? [:], other.calibrations ?? [:])
        func byPurpose(_ files: [String: String]) -> [Substring: String]? {
            var hashes: [Substring: String] = [:]
            for (name, hash) in files {
                // Another name says nothing about the purpose, and neither do two of one.
                let parts = name.split(separator: ".")
                guard parts.count > 2, hashes.updateValue(hash, forKey: parts[parts.count - 2]) == nil else {
                    return nil
                }
            }
            return hashes
        }
        if let first = byPurpose(own), let second = byPurpose(others) {
            guard first.allSatisfy({ second[$0.key] == nil || second[$0.key] == $0.value }) else { return nil }
        } else {
            guard own == others else { return nil }
        }
        let all = own.merging(others) { own, _ in own }
        bare.calibrations = all.isEmpty ? nil : all
        return bare
    }

    /// A folder has no bytes of its own: what tells its tensors apart stands for them.
    private static func hash(of model: LanguageModel) throws(EvaluationError) -> String {
        var isDirectory: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: model.path, isDirectory: &isDirectory)
        guard isDirectory.boolValue else { return try EvaluationFile.sha256(ofFile: model.path) }
        do {
            return try model.fingerprint()
        } catch {
            throw EvaluationError(received: model.path, remedy: "\(error)")
        }
    }
}
