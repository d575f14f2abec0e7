import KvasirCodecs
import KvasirEngine
import Testing

@testable import KvasirCalibration

/// How a text is cut into sequences, and what is refused.
struct CalibrationSequencesTests {
    private static func settings(
        _ scheme: String = "4c4b", sequences: Int? = nil, length: Int? = nil, skipped: Int = 0
    ) throws -> CoupledSettings {
        try CoupledSettings(
            schemes: scheme.split(separator: ",").map { try CoupledScheme(parsing: String($0)) }, sequences: sequences,
            length: length, skipped: skipped)
    }

    private static func cut(
        _ count: Int, _ settings: CoupledSettings, context: Int = 4096, first: Int32? = nil
    ) throws -> CalibrationSequences {
        try CalibrationSequences(
            (0..<count).map { Int32($0) }, settings: settings, context: context, first: first)
    }

    @Test("Sixteen sequences of 2,048 tokens, from the first token to the last")
    func defaults() throws {
        let cut = try Self.cut(100_000, Self.settings("8c8b"))
        #expect(cut.sequences.count == 16 && cut.sequences.allSatisfy { $0.count == 2048 })
        #expect(cut.sequences.first?.first == 0 && cut.sequences.last?.last == 99_999)
        // They share nothing.
        #expect(zip(cut.sequences, cut.sequences.dropFirst()).allSatisfy { $0.last! < $1.first! })
        // 1,024 centroids want twice as much, the larger of two schemes counts.
        #expect(try Self.cut(100_000, Self.settings("8c10b")).sequences.count == 32)
        #expect(try Self.cut(100_000, Self.settings("8c10b,2c8b")).sequences.count == 32)
        #expect(try Self.cut(100_000, Self.settings("8c10b", skipped: 48)).sequences.count == 33)
    }

    @Test("What the text and the context give, where nothing is asked for")
    func available() throws {
        #expect(try Self.cut(20_000, Self.settings()).sequences.count == 9)
        let short = try Self.cut(20_000, Self.settings(), context: 128)
        #expect(short.length == 128 && short.sequences.count == 16)
        let one = try Self.cut(1100, Self.settings())
        #expect(one.sequences == [Array(0..<1100)])
        let begun = try Self.cut(20_000, Self.settings(), first: -7)
        #expect(begun.sequences.allSatisfy { $0.first == -7 })
    }

    @Test(
        "Too little is refused with both numbers",
        arguments: [
            (1000, "4c4b", nil, nil, 0, "1024"), (30_000, "8c8b", 4, nil, 0, "16384"),
            (30_000, "8c10b", 14, nil, 0, "65536"), (10_000, "4c4b", 5, nil, 0, "fills 4"),
            (10_000, "4c4b", nil, 5000, 0, "4096"), (0, "4c4b", nil, nil, 0, "1024"),
            (2000, "4c4b", nil, 2000, 1500, "1024"), (2000, "4c4b", nil, 100, 100, "not counted"),
        ] as [(Int, String, Int?, Int?, Int, String)])
    func refused(tokens: Int, scheme: String, sequences: Int?, length: Int?, skipped: Int, expected: String) throws {
        let settings = try Self.settings(scheme, sequences: sequences, length: length, skipped: skipped)
        let error = #expect(throws: CalibrationError.self) { try Self.cut(tokens, settings) }
        #expect(
            error?.reason == .impossible && error?.description.contains(expected) == true,
            "\(String(describing: error))")
    }

    @Test("Settings that make no sense are refused")
    func settings() {
        #expect(throws: CalibrationError.self) { try CoupledSettings(schemes: []) }
        #expect(throws: CalibrationError.self) { try Self.settings("4c8b,4c8b") }
        #expect(throws: CalibrationError.self) { try Self.settings(sequences: 0) }
        #expect(throws: CalibrationError.self) { try Self.settings(length: 1) }
        #expect(throws: CalibrationError.self) { try Self.settings(skipped: -1) }
        #expect(throws: CodecError.self) { try Self.settings("4c3b") }
    }
}
