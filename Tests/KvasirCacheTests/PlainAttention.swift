import Foundation
import KvasirCodecs

@testable import KvasirCache

/// Attention on decoded tokens in double precision.
struct PlainAttention {
    let stream: TokenStream
    private var packed: Part = Part()
    private var exact: Part = Part()
    private let exactKeys: ExactTokens
    private let exactValues: ExactTokens

    private struct Part {
        var keys: [Float] = []
        var values: [Float] = []
    }

    /// - Parameter sequence: holds all tokens of the stream that are asked for, in layer 0.
    init(sequence: CacheSequence, stream: TokenStream) {
        self.stream = stream
        let layer = sequence.plan.layers[0]
        let none = ExactTokens(sinks: 0, recent: 0)
        exactKeys = layer.exactKeys?.tokens ?? none
        exactValues = layer.exactValues?.tokens ?? none
        let width = stream.shape.heads.width
        packed.keys = [Float](repeating: 0, count: sequence.count * width)
        packed.values = packed.keys
        sequence.withPages { pages in
            packed.keys.withUnsafeMutableBufferPointer { keys in
                packed.values.withUnsafeMutableBufferPointer { values in
                    for token in 0..<sequence.count {
                        let page = pages[token / PageGeometry.tokens]
                        layer.keys.decode(
                            position: token, of: page + layer.keyOffset, into: keys.baseAddress! + token * width)
                        layer.values.decode(
                            position: token, of: page + layer.valueOffset, into: values.baseAddress! + token * width)
                    }
                }
            }
        }
        // What a window keeps of the tokens that it has long let go.
        exact.keys = stream.keys.map { Float(Float16($0)) }
        exact.values = stream.values.map { Float(Float16($0)) }
    }

    /// Root mean square error of the outputs of the tokens up to `length`, relative to the size of the sums.
    func error(of rows: [Float], length: Int) -> Double {
        let size = stream.shape.heads.headSize
        let width = stream.shape.heads.width
        let first = length - rows.count / stream.queryWidth
        var difference = 0.0
        var scale = 0.0
        for (row, token) in (first..<length).enumerated() {
            for head in 0..<stream.shape.queryHeads {
                let query = token * stream.queryWidth + head * size
                let offset = head / stream.shape.groupSize * size
                let scores = (0...token).map { other in
                    let keys = exactKeys.contains(other, at: token) ? exact.keys : packed.keys
                    var sum = 0.0
                    for channel in 0..<size {
                        sum += Double(stream.queries[query + channel]) * Double(keys[other * width + offset + channel])
                    }
                    return sum / Double(size).squareRoot()
                }
                let isExact = (0...token).map { exactValues.contains($0, at: token) }
                let maximum = scores.max() ?? 0
                let weights = scores.map { exp($0 - maximum) }
                let total = weights.reduce(0, +)
                var sums = [Double](repeating: 0, count: size)
                for other in 0...token {
                    let values = isExact[other] ? exact.values : packed.values
                    let weight = weights[other] / total
                    for channel in 0..<size {
                        let term = weight * Double(values[other * width + offset + channel])
                        sums[channel] += term
                        scale += term * term
                    }
                }
                for channel in 0..<size {
                    let actual = Double(rows[row * stream.queryWidth + head * size + channel])
                    difference += (actual - sums[channel]) * (actual - sums[channel])
                }
            }
        }
        return (difference / scale).squareRoot()
    }
}
