public import KvasirModels

/// The ranges of a model's activations, as `kvasir calibrate smoothquant` measured them and a file holds them, and how much
/// of them goes into the weights.
///
/// The file has a tensor for every site of every layer, `layers.N.SITE` of [channels] in F32: the largest magnitudes.
public struct SmoothQuantCalibration: Sendable, Hashable {
    /// Which model, and what was run.
    public let origin: CalibrationOrigin
    /// The ranges, and what is done with them.
    public let smoothing: Smoothing

    /// How files are named after it and say what they hold.
    public static let kind = "smoothquant"
    /// What makes it.
    static let command = "kvasir calibrate smoothquant"

    /// Where the file of a model lies if nothing else is said: beside it.
    public static func path(beside model: String) -> String {
        "\(model.hasSuffix("/") ? String(model.dropLast()) : model).\(kind).safetensors"
    }

    /// Describes a measurement.
    public init(origin: CalibrationOrigin, smoothing: Smoothing) {
        self.origin = origin
        self.smoothing = smoothing
    }

    /// Writes the file; a reader sees all of it or what was there before.
    ///
    /// - Throws: `CalibrationError` if it cannot be written.
    public func write(to path: String) throws(CalibrationError) {
        let tensors = smoothing.maxima.enumerated().flatMap { index, sites in
            SmoothingSite.allCases.compactMap { site in
                sites[site].map {
                    CalibrationFile.Tensor(name: Self.name(index, site), shape: [$0.count], values: .float32($0))
                }
            }
        }
        let sites = SmoothingSite.allCases.filter(smoothing.sites.contains).map(\.rawValue).joined(separator: ",")
        try CalibrationFile(
            kind: Self.kind, origin: origin, settings: ["alpha": "\(smoothing.alpha)", "sites": sites], tensors: tensors
        ).write(to: path)
    }

    /// Reads a file.
    ///
    /// - Throws: `CalibrationError` if there is none, or it is damaged or of another kind or version.
    public init(path: String) throws(CalibrationError) { try self.init(CalibrationFile(path: path), path: path) }

    init(_ file: CalibrationFile, path: String) throws(CalibrationError) {
        try file.check(kind: Self.kind, command: Self.command, neededBy: "8-bit weights need", path: path)
        guard let alpha = file.settings["alpha"].flatMap(Float.init), alpha >= 0, alpha <= 1 else {
            throw CalibrationFile.damaged(path, "no 'alpha' between 0 and 1")
        }
        var sites: Set<SmoothingSite> = []
        for name in (file.settings["sites"] ?? "").split(separator: ",") {
            guard let site = SmoothingSite(rawValue: String(name)) else {
                throw CalibrationFile.damaged(path, "site '\(name)'")
            }
            sites.insert(site)
        }
        var byName: [String: CalibrationFile.Tensor] = [:]
        for tensor in file.tensors { byName[tensor.name] = tensor }
        var maxima: [[SmoothingSite: [Float]]] = []
        while maxima.count * SmoothingSite.allCases.count < file.tensors.count {
            var layer: [SmoothingSite: [Float]] = [:]
            for site in SmoothingSite.allCases {
                let name = Self.name(maxima.count, site)
                guard let tensor = byName[name], case .float32(let values) = tensor.values, tensor.shape.count == 1,
                    values.allSatisfy({ $0.isFinite && $0 >= 0 })
                else { throw CalibrationFile.damaged(path, "no '\(name)' of magnitudes") }
                layer[site] = values
            }
            maxima.append(layer)
        }
        origin = file.origin
        smoothing = Smoothing(maxima: maxima, alpha: alpha, sites: sites)
    }

    private static func name(_ layer: Int, _ site: SmoothingSite) -> String { "layers.\(layer).\(site.rawValue)" }
}
