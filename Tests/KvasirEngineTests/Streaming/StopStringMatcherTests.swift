import KvasirEngine
import KvasirNumerics
import Testing

@Suite struct StopStringMatcherTests {
    /// Feeds the fragments and returns everything that came out, at the end of the text too.
    private func run(_ stops: [String], _ fragments: [String]) throws -> (text: String, matched: String?) {
        var matcher = StopStringMatcher(try StopStrings(stops))
        let text = fragments.map { matcher.consume($0) }.joined() + matcher.finish()
        return (text, matcher.matched)
    }

    /// The slow twin: tries every end and every stop string on the whole text.
    private func search(_ stops: [String], in text: String) -> (text: String, matched: String?) {
        let bytes = Array(text.utf8)
        for end in 0...bytes.count {
            let complete = stops.filter { bytes[..<end].reversed().starts(with: $0.utf8.reversed()) }
            guard let longest = complete.max(by: { $0.utf8.count < $1.utf8.count }) else { continue }
            return (String(decoding: bytes[..<(end - longest.utf8.count)], as: UTF8.self), longest)
        }
        return (text, nil)
    }

    @Test func endsBeforeTheStopString() throws {
        let result = try run(["\n\n"], ["one\ntwo", "\n\nthree"])
        #expect(result.text == "one\ntwo")
        #expect(result.matched == "\n\n")
    }

    @Test func findsAStopStringAcrossFragments() throws {
        let result = try run(["<|im_end|>"], ["Hi <", "|im", "_end", "|> more"])
        #expect(result.text == "Hi ")
        #expect(result.matched == "<|im_end|>")
    }

    @Test func holdsBackOnlyAPossibleBeginning() throws {
        var matcher = StopStringMatcher(try StopStrings(["</s>", "User:"]))
        #expect(matcher.consume("a < b") == "a < b")
        #expect(matcher.consume(" </") == " ")
        #expect(matcher.heldByteCount == 2)
        #expect(matcher.consume("p> U") == "</p> ")
        #expect(matcher.heldByteCount == 1)
        #expect(matcher.consume("n") == "Un")
        #expect(matcher.heldByteCount == 0)
        #expect(matcher.consume("User") == "")
        #expect(matcher.finish() == "User")
        #expect(matcher.matched == nil)
    }

    @Test func releasesTheFrontOfAnOverlappingBeginning() throws {
        var matcher = StopStringMatcher(try StopStrings(["aab"]))
        #expect(matcher.consume("aa") == "")
        #expect(matcher.consume("a") == "a")
        #expect(matcher.consume("ab") == "a")
        #expect(matcher.matched == "aab")
    }

    @Test func emitsNothingAfterAMatch() throws {
        var matcher = StopStringMatcher(try StopStrings(["END"]))
        #expect(matcher.consume("xENDy") == "x")
        #expect(matcher.consume("z") == "")
        #expect(matcher.finish() == "")
        #expect(matcher.heldByteCount == 0)
    }

    @Test func theFirstCompleteMatchWinsWhateverBeganBefore() throws {
        for fragments in [["xabcd"], ["xa", "bc", "d"]] {
            let result = try run(["abcd", "bc"], fragments)
            #expect(result.text == "xa")
            #expect(result.matched == "bc")
        }
    }

    @Test func ofMatchesCompleteTogetherTheLongestWins() throws {
        let result = try run(["c", "bc", "abc"], ["xabc"])
        #expect(result.text == "x")
        #expect(result.matched == "abc")
    }

    @Test func ofEqualStopStringsTheFirstIsReported() throws {
        var matcher = StopStringMatcher(try StopStrings(["x", "stop", "stop"]))
        #expect(matcher.consume("a stop") == "a ")
        #expect(matcher.matchedIndex == 1)
    }

    @Test func withoutStopStringsEverythingPasses() {
        var matcher = StopStringMatcher(.none)
        #expect(matcher.consume("any text") == "any text")
        #expect(matcher.finish() == "")
    }

    @Test func charactersStayWhole() throws {
        // The first bytes of these characters agree, so a match may fail in the middle of one.
        var matcher = StopStringMatcher(try StopStrings(["é!", "日本"]))
        #expect(matcher.consume("è") == "è")
        #expect(matcher.consume("日") == "")
        #expect(matcher.consume("曜") == "日曜")
        #expect(matcher.consume("é") == "")
        #expect(matcher.consume("日本語") == "é")
        #expect(matcher.matched == "日本")
    }

    @Test func anEmptyStopStringIsRefused() {
        let error = #expect(throws: StopStringError.self) { try StopStrings(["ok", ""]) }
        #expect(
            error?.description
                == "stop: received an empty string at position 1; leave it out, or give at least one character")
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func everySplitGivesWhatTheWholeTextGives(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let alphabet: [Character] = ["a", "b", "é", "è", "日", "🙂"]
        func text(_ length: ClosedRange<Int>) -> String {
            String(
                (0..<Int.random(in: length, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "a" })
        }
        var matches = 0
        for _ in 0..<400 {
            let stops = (0..<Int.random(in: 1...4, using: &random)).map { _ in text(1...4) }
            let whole = text(0...40)
            var fragments: [String] = []
            var rest = Substring(whole)
            while !rest.isEmpty {
                let count = Int.random(in: 0...5, using: &random)
                fragments.append(String(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let expected = search(stops, in: whole)
            let result = try run(stops, fragments)
            #expect(result.text == expected.text, "stops \(stops), fragments \(fragments)")
            #expect(result.matched == expected.matched, "stops \(stops), fragments \(fragments)")
            matches += expected.matched == nil ? 0 : 1
        }
        // Both outcomes are really exercised.
        #expect(matches > 50 && matches < 400)
    }

    @Test(arguments: [5, 6] as [UInt64])
    func whatIsHeldBackIsTheLongestPossibleBeginning(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let stops = (0..<3).map { _ in
                String((0..<Int.random(in: 2...6, using: &random)).map { _ in Bool.random(using: &random) ? "a" : "b" })
            }
            var matcher = StopStringMatcher(try StopStrings(stops))
            var seen = ""
            while matcher.matched == nil, seen.count < 30 {
                let character = Bool.random(using: &random) ? "a" : "b"
                seen += character
                _ = matcher.consume(character)
                guard matcher.matched == nil else { break }
                let expected = (0...seen.count).last { length in
                    length == 0 || stops.contains { $0.count > length && $0.hasPrefix(seen.suffix(length)) }
                }
                #expect(matcher.heldByteCount == expected, "stops \(stops), text \(seen)")
            }
        }
    }
}
