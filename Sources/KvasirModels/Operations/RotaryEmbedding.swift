internal import Foundation
internal import KvasirCodecs
internal import KvasirWeights

extension RotaryEmbedding {
    /// Where a config.json has the numbers of a model's rotary embeddings: objects, the first one that is there counts.
    struct Section: Sendable {
        let base: MetadataKey
        let defaultBase: Double
        let scaling: [String]

        /// A model's only one, or that of its full attention.
        static let only = Section(
            base: .rotaryBase, defaultBase: 10_000, scaling: ["rope_scaling", "rope_parameters"])
    }

    /// Reads base and scaling, and refuses the kinds of scaling that are not implemented.
    ///
    /// - Parameters:
    ///   - factors: what a file divides the frequencies by, a tensor of GGUF.
    ///   - section: which of the embeddings of a config.json.
    init(
        _ checkpoint: Checkpoint, headSize: Int, order: ChannelOrder, factors: [Float]? = nil, section: Section = .only
    ) throws {
        for key in ["partial_rotary_factor", "rope_parameters.partial_rotary_factor"]
        where try checkpoint.metadata.number(ifPresent: key) ?? 1 != 1 {
            throw ModelError(
                .unsupportedFeature, received: key,
                remedy: "heads of which only a part is turned are not supported; use another model")
        }
        let dimensions = try checkpoint.size(.rotaryDimensions, default: headSize)
        guard dimensions % 2 == 0, dimensions <= headSize else {
            throw ModelError(
                .badMetadata, received: "\(checkpoint.spelling(of: .rotaryDimensions)) = \(dimensions)",
                remedy: "expected an even number up to the head size \(headSize)")
        }
        let base = try checkpoint.positive(section.base) ?? section.defaultBase
        var frequencies = RotaryEmbedding(base: base, dimensions: dimensions, order: order).frequencies
        let scaling = try RotaryScaling(checkpoint, sections: section.scaling)
        for index in frequencies.indices {
            frequencies[index] = scaling.scaled(frequencies[index])
            if let factors { frequencies[index] /= Double(factors[index]) }
        }
        self.init(frequencies: frequencies, order: order)
    }

    /// Reads base, scaling and, where the file has them, the numbers that frequencies are divided by.
    init(_ checkpoint: Checkpoint, _ names: TensorNames, headSize: Int, order: ChannelOrder) throws {
        let pairs = try checkpoint.size(.rotaryDimensions, default: headSize) / 2
        try self.init(
            checkpoint, headSize: headSize, order: order,
            factors: try checkpoint.rotaryFactors(names, count: pairs))
    }

    /// Unscaled frequencies of a base.
    init(base: Double, dimensions: Int, order: ChannelOrder) {
        self.init(
            frequencies: (0..<dimensions / 2).map { pow(base, -2 * Double($0) / Double(dimensions)) }, order: order)
    }
}

/// How a model's rotary frequencies differ from those of its base, to reach longer contexts.
private enum RotaryScaling {
    case none
    /// All frequencies over a factor. Source: Chen et al., "Position interpolation" (arXiv:2306.15595).
    case linear(factor: Double)
    /// Frequencies with long waves over a factor, those with short ones as they are, a ramp between. Source: the Llama 3.1
    /// model card's code; `low` and `high` count waves in the original context.
    case llama3(factor: Double, low: Double, high: Double, context: Double)

    init(_ checkpoint: Checkpoint, sections: [String]) throws {
        switch checkpoint.format {
        case .gguf: try self.init(gguf: checkpoint)
        case .huggingFace: try self.init(huggingFace: checkpoint, sections: sections)
        }
    }

    private init(gguf checkpoint: Checkpoint) throws {
        let metadata = checkpoint.metadata
        let key = checkpoint.spelling(of: .rotaryScaling)
        let type = try metadata.string(ifPresent: key)
        // A factor without a type scales linearly; 0 stands for none.
        var factor: Double = 0
        for key in checkpoint.spellings(of: .rotaryFactor) where factor == 0 {
            factor = try metadata.number(ifPresent: key) ?? 0
            guard factor >= 0, factor.isFinite else { throw Self.badNumber("\(key) = \(factor)") }
        }
        switch type {
        case nil, "linear": self = factor == 0 ? .none : .linear(factor: factor)
        case "none": self = .none
        case .some(let type): throw Self.unknown(key, type, supported: "none, linear")
        }
    }

    private init(huggingFace checkpoint: Checkpoint, sections: [String]) throws {
        let metadata = checkpoint.metadata
        let keys = sections.flatMap { ["\($0).rope_type", "\($0).type"] }
        guard let key = keys.first(where: metadata.contains), let type = try metadata.string(ifPresent: key) else {
            self = .none
            return
        }
        let section = String(key.dropLast(key.hasSuffix(".rope_type") ? 9 : 4))
        func number(_ name: String) throws -> Double {
            let key = section + name
            guard let value = try checkpoint.positive(spelled: key) else { throw Self.badNumber(key, "is missing") }
            return value
        }
        switch type {
        case "default": self = .none
        case "linear": self = .linear(factor: try number("factor"))
        case "llama3":
            let (low, high) = (try number("low_freq_factor"), try number("high_freq_factor"))
            guard low < high else {
                throw Self.badNumber("\(section)low_freq_factor = \(low)", "expected less than \(high)")
            }
            self = .llama3(
                factor: try number("factor"), low: low, high: high,
                context: try number("original_max_position_embeddings"))
        default: throw Self.unknown(key, type, supported: "default, linear, llama3")
        }
    }

    func scaled(_ frequency: Double) -> Double {
        switch self {
        case .none: return frequency
        case .linear(let factor): return frequency / factor
        case .llama3(let factor, let low, let high, let context):
            let waves = context * frequency / (2 * Double.pi)
            let share = min(max((waves - low) / (high - low), 0), 1)
            return (1 - share) * frequency / factor + share * frequency
        }
    }

    private static func badNumber(
        _ received: String, _ remedy: String = "expected a positive number; the file is damaged"
    ) -> ModelError { ModelError(.badMetadata, received: received, remedy: remedy) }

    private static func unknown(_ key: String, _ type: String, supported: String) -> ModelError {
        ModelError(
            .unsupportedFeature, received: "\(key) = \(type)",
            remedy: "this scaling of rotary embedding is not supported; supported: \(supported)")
    }
}

extension Checkpoint {
    /// What the model's rotary frequencies are divided by, where the file has it: one number for each pair of channels.
    fileprivate func rotaryFactors(_ names: TensorNames, count: Int) throws -> [Float]? {
        let all = Set(tensors.tensorNames)
        guard let name = names.name(.rotaryFactors, layer: nil, prefix: names.prefix(in: all)).map({ $0 + ".weight" }),
            all.contains(name)
        else { return nil }
        let tensor = try tensors.tensor(named: name)
        guard tensor.shape == [count] else { throw shapeError(tensor, expected: "[\(count)]") }
        let factors = tensor.dequantized()
        guard factors.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw ModelError(
                .badTensor, received: "tensor '\(name)'", remedy: "expected positive factors; the file is damaged")
        }
        return factors
    }
}
