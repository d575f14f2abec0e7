import Testing

@testable import KvasirTokenizers

@Suite("Pre-tokenizers")
struct PreTokenizerTests {
    private func pieces(_ text: String, _ name: PreTokenizer) -> [String] {
        let classified = ClassifiedText(Array(text.utf8))
        var pieces: [String] = []
        name.forEachPiece(of: classified, in: 0..<classified.bytes.count) {
            pieces.append(String(decoding: classified.bytes[$0], as: UTF8.self))
        }
        return pieces
    }

    @Test("cut as their expressions do")
    func examples() {
        let text = " I'M  12345\u{3000}x\n\n y.)\n"
        #expect(pieces(text, .gpt2) == [" I", "'", "M", " ", " 12345", "\u{3000}", "x", "\n\n", " y", ".)", "\n"])
        #expect(
            pieces(text, .smollm)
                == [" I", "'", "M", "  ", "1", "2", "3", "4", "5", "\u{3000}", "x", "\n\n", " y", ".)", "\n"])
        #expect(
            pieces(text, .qwen2)
                == [" I", "'M", " ", " ", "1", "2", "3", "4", "5", "\u{3000}x", "\n\n", " y", ".)\n"])
        #expect(pieces(text, .llamaBPE) == [" I", "'M", " ", " ", "123", "45", "\u{3000}x", "\n\n", " y", ".)\n"])
        #expect(
            pieces(text, .default)
                == [" I", "'", "M", " ", " ", "123", "45", "\u{3000}", "x", "\n\n", " y", ".)", "\n"])
    }

    @Test("leave nothing out and cut no character", arguments: PreTokenizer.allCases)
    func cover(_ name: PreTokenizer) {
        var generator = SeededGenerator(seed: 6)
        for count in 0..<100 {
            let text = ClassifiedText(RandomText.mixture(count: count, using: &generator))
            var end = 0
            name.forEachPiece(of: text, in: 0..<text.bytes.count) { piece in
                #expect(piece.lowerBound == end)
                #expect(!piece.isEmpty)
                #expect(!text.classes[piece.lowerBound].contains(.continuation))
                end = piece.upperBound
            }
            #expect(end == text.bytes.count)
        }
    }

    // A scanner that looked at a run again for each of its pieces would need 10^11 steps here and never end.
    @Test("pass over long runs of one kind", .timeLimit(.minutes(2)), arguments: PreTokenizer.allCases)
    func longRuns(_ name: PreTokenizer) {
        for unit in ["a", " ", "\n", " \n", "1", "'", ".", "\u{3000}", "1 ", "a.", "\u{C0}"] {
            let bytes = Array(String(repeating: unit, count: 200_000).utf8)
            let text = ClassifiedText(bytes)
            var end = 0
            name.forEachPiece(of: text, in: 0..<bytes.count) { end = $0.upperBound }
            #expect(end == bytes.count)
        }
    }

    @Test("know the class of every ASCII character")
    func asciiClasses() {
        for byte: UInt8 in 0..<128 {
            let isLetter = (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            let scalarClass = ScalarClass.table[Int(byte)]
            #expect(scalarClass.contains(.letter) == isLetter)
            #expect(scalarClass.contains(.number) == (0x30...0x39).contains(byte))
            #expect(scalarClass.contains(.whitespace) == ((0x09...0x0D).contains(byte) || byte == 0x20))
            #expect(scalarClass.contains(.newline) == (byte == 0x0A || byte == 0x0D))
        }
    }

    @Test("refuse an unknown name and list the known ones")
    func unknownName() {
        let error = #expect(throws: TokenizerError.self) { try PreTokenizer(named: "tekken") }
        let text = error?.description ?? ""
        for name in PreTokenizer.allCases { #expect(text.contains(name.rawValue)) }
        #expect(text.contains("'tekken'"))
    }
}
