internal import Foundation
internal import KvasirCache
internal import KvasirNumerics

extension Operations {
    /// The usual factor of scores: one over the root of the head size.
    static func scoreFactor(headSize: Int) -> Float { 1 / Float(headSize).squareRoot() }

    /// Stores keys and values of a step in one layer and attends to everything its sequences hold.
    ///
    /// Encode first, then attend: a token sees its own key and value as the cache holds them.
    func attend(
        layer: Int, _ step: ForwardStep, queries: FloatMatrix, keys: FloatMatrix, values: FloatMatrix, factor: Float,
        into output: FloatMatrix
    ) {
        // Emptied afterwards: a sequence kept here would keep its pages, too.
        defer { segments.removeAll(keepingCapacity: true) }
        queryNorms?.note(queries, layer: layer, factor: factor)
        var row = 0
        for segment in step.segments {
            segments.append(
                AttentionSegment(sequence: segment.sequence, firstRow: row, tokens: segment.tokens.count))
            row += segment.tokens.count
        }
        attention.store(layer: layer, keys: keys, values: values, segments: segments)
        attention.attend(
            layer: layer, queries: queries, factor: factor, segments: segments, output: output)
    }

    /// Counts the tokens of a step as cached.
    func advance(_ step: ForwardStep) {
        for segment in step.segments { segment.sequence.advance(segment.tokens.count) }
        // A sequence that its owner drops after the step has to give its pages back then, not with the next step.
        segments.removeAll(keepingCapacity: true)
    }
}
