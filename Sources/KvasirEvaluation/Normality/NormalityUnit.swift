internal import KvasirNumerics

/// What is tested for normality as one sample: a token's vector of keys or values, or each block of it.
public enum NormalityUnit: Sendable, Hashable, CustomStringConvertible {
    /// All KV heads of a token.
    case token
    /// Blocks of this many values, cut from the heads one after another as block codecs cut them: the last is shorter
    /// where the size does not divide the vector, and a vector shorter than a block is one.
    case block(Int)

    /// The fewest values of a block: the test asks for as many.
    public static let smallestBlock = NormalityTest.recommendedSample

    /// Parses `token` or a number.
    ///
    /// - Throws: `EvaluationError` if the text is neither, or the block too small to test.
    public init(parsing text: String) throws(EvaluationError) {
        if text == "token" {
            self = .token
        } else if let size = Int(text), size >= Self.smallestBlock {
            self = .block(size)
        } else {
            throw EvaluationError(
                received: "unit '\(text)'",
                remedy: "use token, or the size of a block: at least \(Self.smallestBlock) values, which the test needs"
            )
        }
    }

    /// `token` or the size.
    public var description: String {
        switch self {
        case .token: "token"
        case .block(let size): String(size)
        }
    }

    /// Values of a whole unit in a vector of `width` values.
    func length(inVectorOf width: Int) -> Int {
        switch self {
        case .token: width
        case .block(let size): min(size, width)
        }
    }
}

extension NormalityUnit: Codable {
    /// Reads the text that `encode` writes.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(EvaluationError) {
            self = try NormalityUnit(parsing: text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    /// Writes the unit as text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
