/// What may be said of `qaq`, with what is used where nothing is said: measured on the default model, docs/codecs/qaq.md.
struct QaqParameters: Sendable, Hashable {
    /// How many bits the allowed error asks for.
    enum Variant: String, Sendable, CaseIterable {
        /// Paper, equations of section 3: cells of a midpoint quantizer whose error has the allowed deviation.
        case paper
        /// The authors' program: about a bit fewer at high rates, at least one wherever values differ.
        case code
    }

    /// What shares a range and a number of bits.
    enum Unit: String, Sendable, CaseIterable {
        /// One KV head of a token.
        case head
        /// All KV heads of a token.
        case layer
        /// One KV head for keys, all of them for values.
        case mixed
    }

    /// The fewest bits of a token.
    var leastBits = 2
    /// The most bits of a token, which it has when it is stored.
    var mostBits = 6
    /// Rows of attention whose largest weight counts; the last tokens, one fewer, keep the most bits.
    var window = 5
    /// Values kept as they are, in percent of a unit.
    var outliers = 1.0
    /// The deviation of attention weights that errors of keys may cause.
    var keyTarget = 0.003
    /// The deviation of a head's output that errors of values may cause.
    var valueTarget = 0.04
    /// Tokens of context that the rule for keys counts at most; nil for all, as in the paper.
    ///
    /// The deviation that it allows grows with the context, and with it the error of long ones.
    var keyContext: Int? = 1024
    /// A token's bits change when they differ by this many.
    var hysteresis = 1
    var variant = Variant.paper
    var unit = Unit.mixed
    var mode = AdaptiveMode.monotone

    static let bitRange = 0...8
    static let windowRange = 1...32
    static let outlierRange = 0.0...4.0
    static let targetRange = 0.0001...1000.0
    static let hysteresisRange = 1...8
    /// 0 stands for all.
    static let keyContextRange = 0...1_048_576

    /// Every parameter, in one order.
    var description: String {
        [
            "min\(leastBits)", "max\(mostBits)", "n\(window)", "o\(Self.text(outliers))", "ek\(Self.text(keyTarget))",
            "ev\(Self.text(valueTarget))", "t\(keyContext ?? 0)", "h\(hysteresis)", variant.rawValue, unit.rawValue,
            mode.rawValue,
        ].joined(separator: "/")
    }

    /// A number without a fraction of zero.
    private static func text(_ number: Double) -> String {
        let text = "\(number)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    init() {}

    /// Parses parameters in any order.
    ///
    /// - Throws: `CodecError` at the first that is unknown, out of range, or said twice.
    init(parsing parameters: [String]) throws(CodecError) {
        var seen: Set<String> = []
        for parameter in parameters {
            let name = try take(parameter)
            guard seen.insert(name).inserted else {
                throw CodecError(
                    reason: .unknownParameter, received: parameter, remedy: "'\(name)' was said before; say it once")
            }
        }
        guard leastBits <= mostBits, mostBits >= 1 else {
            throw CodecError(
                reason: .unknownParameter, received: "min\(leastBits)/max\(mostBits)",
                remedy: "a token has at least min and at most max bits, and max is 1 to 8: write min0 to "
                    + "min\(max(mostBits, 1)), or max\(max(leastBits, 1)) to max8")
        }
    }

    /// Takes one parameter over and returns what it is about.
    private mutating func take(_ parameter: String) throws(CodecError) -> String {
        if let variant = Variant(rawValue: parameter) {
            self.variant = variant
            return "paper or code"
        }
        if let unit = Unit(rawValue: parameter) {
            self.unit = unit
            return "head, layer or mixed"
        }
        if let mode = AdaptiveMode(rawValue: parameter) {
            self.mode = mode
            return "monotone, spill or full"
        }
        let name = String(parameter.prefix { $0.isLetter })
        let value = String(parameter.dropFirst(name.count))
        switch name {
        case "min": leastBits = try Self.integer(value, parameter, Self.bitRange)
        case "max": mostBits = try Self.integer(value, parameter, 1...Self.bitRange.upperBound)
        case "n": window = try Self.integer(value, parameter, Self.windowRange)
        case "o": outliers = try Self.number(value, parameter, Self.outlierRange)
        case "ek": keyTarget = try Self.number(value, parameter, Self.targetRange)
        case "ev": valueTarget = try Self.number(value, parameter, Self.targetRange)
        case "t":
            let tokens = try Self.integer(value, parameter, Self.keyContextRange)
            keyContext = tokens == 0 ? nil : tokens
        case "h": hysteresis = try Self.integer(value, parameter, Self.hysteresisRange)
        default:
            throw CodecError(
                reason: .unknownParameter, received: parameter,
                remedy: "qaq takes min0 to min8, max1 to max8, n1 to n32, o0 to o4, ek and ev with 0.0001 to 1000, "
                    + "t0 to t1048576, h1 to h8, paper or code, head, layer or mixed, monotone, spill or full, "
                    + "\(CodecRegistry.modifierList), each at most once")
        }
        return name
    }

    private static func integer(
        _ text: String, _ parameter: String, _ range: ClosedRange<Int>
    ) throws(CodecError) -> Int {
        guard text.allSatisfy({ $0.isASCII && $0.isNumber }), let value = Int(text), range.contains(value) else {
            let name = parameter.prefix { $0.isLetter }
            throw CodecError(
                reason: .unknownParameter, received: parameter,
                remedy: "qaq takes \(name)\(range.lowerBound) to \(name)\(range.upperBound)")
        }
        return value
    }

    private static func number(
        _ text: String, _ parameter: String, _ range: ClosedRange<Double>
    ) throws(CodecError) -> Double {
        let isPlain = text.wholeMatch(of: #/[0-9]{1,4}(\.[0-9]{1,4})?/#) != nil
        guard isPlain, let value = Double(text), range.contains(value) else {
            let name = parameter.prefix { $0.isLetter }
            throw CodecError(
                reason: .unknownParameter, received: parameter,
                remedy: "qaq takes \(name)\(Self.text(range.lowerBound)) to \(name)\(Self.text(range.upperBound)), "
                    + "with up to four digits after the point")
        }
        return value
    }

    /// Whether keys, or values, have bits of their own for every head.
    func hasHeadUnits(ofKeys isKeys: Bool) -> Bool { unit == .head || unit == .mixed && isKeys }

    /// Outliers at the lower end, and at the upper one, of a unit of `size` values.
    ///
    /// Those up to the value at place ceil(share / 2 x size) in ascending order, and those beyond the one at place
    /// floor((1 - share / 2) x size).
    func outlierCounts(unitSize size: Int) -> (low: Int, high: Int) {
        guard outliers > 0 else { return (0, 0) }
        let half = outliers / 200 * Double(size)
        // What is a whole number must not become the next one by rounding.
        return (Int((half - 1e-9).rounded(.up)), size - Int((Double(size) - half + 1e-9).rounded(.down)))
    }
}
