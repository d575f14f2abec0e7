internal import Foundation
internal import KvasirCache

extension Operations {
    /// Stores keys and values of a step in one layer and attends to everything its sequences hold.
    ///
    /// Encode first, then attend: a token sees its own key and value as the cache holds them.
    func attend(
        layer: Int, _ step: ForwardStep, queries: Activations, keys: Activations, values: Activations,
        into output: Activations
    ) {
        // Emptied afterwards: a sequence kept here would keep its pages, too.
        defer { segments.removeAll(keepingCapacity: true) }
        var row = 0
        for segment in step.segments {
            segment.sequence.store(
                layer: layer, tokens: segment.tokens.count, keys: keys.pointer + row * keys.columns,
                values: values.pointer + row * values.columns, threads: threads)
            segments.append(
                AttentionSegment(sequence: segment.sequence, firstRow: row, tokens: segment.tokens.count))
            row += segment.tokens.count
        }
        attention.attend(
            layer: layer, queries: queries.pointer, factor: 1 / Float(attention.headSize).squareRoot(),
            segments: segments, output: output.pointer)
    }

    /// Counts the tokens of a step as cached.
    func advance(_ step: ForwardStep) {
        for segment in step.segments { segment.sequence.advance(segment.tokens.count) }
    }
}
