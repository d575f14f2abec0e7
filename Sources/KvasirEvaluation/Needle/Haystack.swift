internal import Foundation
internal import KvasirNumerics

/// The text that a needle is hidden in: sentences that say nothing of it.
public struct Haystack: Sendable, Hashable {
    private enum Source: Hashable {
        case generated
        case given([String])
    }
    private let source: Source

    /// Sentences put together at random, the same ones for the same seed.
    public static let generated = Haystack(source: .generated)

    private init(source: Source) { self.source = source }

    /// A text, cut into sentences; line breaks count as spaces.
    ///
    /// - Throws: `EvaluationError` if it has none.
    public init(text: String) throws(EvaluationError) {
        let sentences = Self.sentences(of: text)
        guard !sentences.isEmpty else {
            throw EvaluationError(
                received: "a text without sentences", remedy: "give a long text, or none to generate one")
        }
        source = .given(sentences)
    }

    /// The sentences of a given text; nil if they are generated without end.
    var count: Int? {
        if case .given(let sentences) = source { sentences.count } else { nil }
    }

    /// Sentences for one trial, in order: a given text from a random place on and around, or generated ones.
    func sentences(seed: UInt64) -> AnyIterator<String> {
        var random = SeededGenerator(seed: seed)
        switch source {
        case .generated:
            return AnyIterator { Self.sentence(&random) }
        case .given(let sentences):
            let start = Int.random(in: 0..<sentences.count, using: &random)
            var taken = 0
            return AnyIterator {
                guard taken < sentences.count else { return nil }
                defer { taken += 1 }
                return sentences[(start + taken) % sentences.count]
            }
        }
    }

    /// Cuts after a full stop, question or exclamation mark that a space follows, closing quotes included.
    private static func sentences(of text: String) -> [String] {
        var sentences: [String] = []
        var current: [Substring] = []
        for word in text.split(whereSeparator: \.isWhitespace) {
            current.append(word)
            let end = word.reversed().first { !"\"'”’)*_".contains($0) }
            if let end, ".?!".contains(end) {
                sentences.append(current.joined(separator: " "))
                current = []
            }
        }
        if !current.isEmpty { sentences.append(current.joined(separator: " ")) }
        return sentences
    }

    /// No digits, and no word of a question about a needle.
    private static func sentence(_ random: inout SeededGenerator) -> String {
        func one(_ words: [String]) -> String { words[Int.random(in: words.indices, using: &random)] }
        return "\(one(times)) \(one(people)) \(one(deeds)) \(one(places))\(one(endings))."
    }

    private static let times = [
        "In the morning", "At noon", "Late in the evening", "On a quiet Sunday", "After the rain", "Before winter came",
        "When the market closed", "During the harvest", "Once a week", "Not long ago", "On the first warm day",
        "While the others slept",
    ]
    private static let people = [
        "the gardener", "an old sailor", "the baker's daughter", "a tired postman", "the village teacher",
        "two young painters", "the miller", "a travelling musician", "the carpenter", "my neighbour", "a shepherd",
        "the librarian", "some children", "the ferryman",
    ]
    private static let deeds = [
        "walked slowly", "told a long story", "waited for a friend", "mended a fence", "looked for mushrooms",
        "sang an old song", "carried a heavy basket", "watched the birds", "painted a wooden door",
        "drank a cup of tea",
        "read a letter", "picked some apples", "sat without a word", "fed the geese",
    ]
    private static let places = [
        "by the river", "behind the church", "near the stone bridge", "in the narrow lane", "under the oak trees",
        "on the edge of the forest", "beside the mill", "at the top of the hill", "in front of the inn",
        "along the empty beach", "in the garden", "at the railway station",
    ]
    private static let endings = [
        "", "", " and thought of home", ", as every year", " until it grew dark", " without any hurry",
        ", though the wind was cold", " and nobody noticed", ", and the dog came too", " for a while",
    ]
}
