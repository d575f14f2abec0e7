#if Server
/// Text in Prometheus' exposition format, version 0.0.4.
struct PrometheusText {
    /// What a family measures.
    enum Kind: String, Sendable { case counter, gauge, histogram }

    /// A name and its value.
    typealias Label = (name: String, value: String)

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""
    /// Labels that every sample has.
    private let common: [Label]

    init(common: [Label] = []) { self.common = common }

    /// Begins a family; its samples follow.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(Self.escape(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// A sample.
    mutating func sample(_ name: String, _ labels: [Label] = [], _ value: Double) {
        let all = (common + labels).map { "\($0.name)=\"\(Self.escape($0.value, quotes: true))\"" }
        text += name + (all.isEmpty ? "" : "{\(all.joined(separator: ","))}") + " \(Self.number(value))\n"
    }

    /// A family of one sample.
    mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        family(name, kind, help)
        sample(name, [], value)
    }

    /// A number as the format writes it.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let integer = Int(exactly: value), abs(integer) < 1 << 53 { return String(integer) }
        return String(describing: value)
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        if quotes { escaped = escaped.replacing("\"", with: "\\\"") }
        return escaped
    }
}
#endif
