/// Something about a model that a codec needs and `kvasir calibrate` measures; a calibration file holds one.
public enum CalibrationKind: Sendable, Hashable {
    /// The mean key of every layer, for codecs with `/center`.
    case center
    /// Codebooks for the keys, in one of their forms, and for the values of every layer.
    case coupled(CoupledScheme, KeySpace)
    /// How long the queries of every layer are, for keys whose bits follow it.
    case queryNorms

    /// How files are named after it and say what they hold: `center`, `cq-4c8b`,
    /// `cq-4c8b-post`, `qaq`.
    public var name: String {
        switch self {
        case .center: "center"
        case .queryNorms: "qaq"
        case .coupled(let scheme, .beforeRotary): "cq-\(scheme)"
        case .coupled(let scheme, .afterRotary): "cq-\(scheme)-post"
        }
    }

    /// What `kvasir calibrate` makes it with.
    public var command: String {
        switch self {
        case .center: "kvasir calibrate center"
        case .queryNorms: "kvasir calibrate qaq"
        case .coupled(let scheme, .beforeRotary): "kvasir calibrate coupled --scheme \(scheme)"
        case .coupled(let scheme, .afterRotary): "kvasir calibrate coupled --scheme \(scheme) --keys after-rotary"
        }
    }

    /// Where the file of a model lies if nothing else is said: beside it.
    public func path(beside model: String) -> String {
        "\(model.hasSuffix("/") ? String(model.dropLast()) : model).\(name).safetensors"
    }
}
