import Foundation
import KvasirWeights
import Testing

/// Files that are right, and files that lie; all bytes end at an inaccessible page.
@Suite struct SafetensorsFileTests {
    @discardableResult
    private func readAll(_ bytes: some Collection<UInt8>) throws -> SafetensorsFile {
        let file = try SafetensorsFile(contents: GuardedBytes(bytes), path: "m.safetensors")
        for tensor in file.tensors {
            #expect(tensor.bytes.count == tensor.byteCount)
            _ = tensor.dequantized()
        }
        return file
    }

    private func expectError(
        _ builder: SafetensorsBuilder, _ reason: SafetensorsError.Reason, field: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: SafetensorsError.self, sourceLocation: sourceLocation) {
            try readAll(builder.bytes)
        }
        #expect(error?.reason == reason, sourceLocation: sourceLocation)
        #expect(error?.field == field, sourceLocation: sourceLocation)
        #expect(error?.description.contains("\n") == false, sourceLocation: sourceLocation)
    }

    private func header(_ tensors: String..., data: Int) -> SafetensorsBuilder {
        SafetensorsBuilder("{\(tensors.joined(separator: ","))}", data: data)
    }

    @Test func tensorsAreReadWithTheContiguousDimensionFirst() throws {
        let file = try readAll(SafetensorsBuilder.sample().bytes)
        #expect(file.tensorNames == ["a.weight", "b", "c"])
        let a = try file.tensor(named: "a.weight")
        #expect(a.shape == [3, 2])
        #expect(a.dequantized() == [1, 2, 3, 4, 5, 6])
        #expect(try file.tensor(named: "b").dequantized() == [1, -2.5])
        #expect(try file.tensor(named: "c").dequantized() == [1])
        let error = #expect(throws: WeightError.self) { try file.tensor(named: "d") }
        #expect(error?.reason == .missing)
    }

    @Test func everyTruncationIsAnError() {
        let bytes = SafetensorsBuilder.sample().bytes
        for length in 0..<bytes.count {
            let error = #expect(throws: SafetensorsError.self, "\(length) bytes") { try readAll(bytes[..<length]) }
            #expect(error?.reason == (length < 8 ? .notSafetensors : .truncated), "\(length) bytes")
        }
    }

    @Test func lengthsOfTheHeaderAreChecked() {
        for length: UInt64 in [0, 1, 100_000_001, 1 << 62, 1 << 63, .max] {
            var builder = SafetensorsBuilder.sample()
            builder.length = length
            expectError(builder, .notSafetensors, field: "header length")
        }
        for length: UInt64 in [10_000, 100_000_000] {
            var builder = SafetensorsBuilder.sample()
            builder.length = length
            expectError(builder, .truncated, field: "header length")
        }
        expectError(SafetensorsBuilder(" {}"), .notSafetensors, field: "header")
        expectError(SafetensorsBuilder("[]"), .notSafetensors, field: "header")
    }

    @Test func randomDamageIsAnErrorOrHarmless() {
        let sample = SafetensorsBuilder.sample().bytes
        var generator = SeededGenerator(state: 20_261_121)
        var opened = 0
        for round in 0..<8_000 {
            var bytes = sample
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1: bytes[position] = UInt8.random(in: 0...255, using: &generator)
                case 2: bytes.remove(at: position)
                case 3: bytes.insert(UInt8(ascii: "9"), at: position)
                default:
                    bytes[position] = [0x22, 0x5b, 0x5d, 0x7b, 0x7d, 0x2c, 0x3a, 0x2d].randomElement(using: &generator)!
                }
            }
            do {
                try readAll(bytes)
                opened += 1
            } catch let error as SafetensorsError {
                #expect(!error.description.contains("\n"), "round \(round)")
                #expect(error.offset ?? 0 <= bytes.count, "round \(round)")
            } catch {
                Issue.record(error, "round \(round)")
            }
        }
        // Both outcomes must occur, or the damage is not the kind that tests anything.
        #expect((100..<7_900).contains(opened))
    }

    @Test func typesThatCannotBeConvertedAreNamed() {
        for type in ["F64", "I64", "I8", "U8", "BOOL", "F8_E4M3", "f32", ""] {
            let builder = header(SafetensorsBuilder.tensor("t", type, [2], 0, 8), data: 8)
            expectError(builder, .unsupportedTensorType, field: "tensor 't' dtype")
        }
    }

    @Test func shapesAndOffsetsMustAgree() {
        let t = SafetensorsBuilder.tensor
        expectError(header(t("t", "F32", [3], 0, 8), data: 8), .malformed, field: "tensor 't' data_offsets")
        expectError(header(t("t", "F16", [2], 0, 8), data: 8), .malformed, field: "tensor 't' data_offsets")
        expectError(header(t("t", "F32", [2], 8, 0), data: 8), .malformed, field: "tensor 't' data_offsets")
        expectError(header(t("t", "F32", [2], 0, 8), data: 7), .truncated, field: "tensor 't' data_offsets")
        expectError(header(t("t", "F32", [0, 2], 0, 0), data: 0), .malformed, field: "tensor 't' shape")
        expectError(header(t("t", "F32", [-1], 0, 8), data: 8), .malformed, field: "tensor 't' shape")
        expectError(
            header(t("t", "F32", [1 << 40, 1 << 40], 0, 8), data: 8), .malformed, field: "tensor 't' shape")
        expectError(
            header(t("t", "F32", [Int](repeating: 1, count: 17), 0, 4), data: 4), .malformed, field: "tensor 't' shape")
        expectError(
            header("\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}", data: 8), .malformed,
            field: "tensor 't' data_offsets")
        expectError(
            header("\"t\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}", data: 4), .malformed,
            field: "header")
        expectError(header("\"t\":{\"dtype\":\"F32\",\"shape\":[1]}", data: 4), .malformed, field: "tensor 't'")
        expectError(header("\"t\":{\"dtype\":\"F32\",\"x\":1}", data: 4), .malformed, field: "tensor 't'")
        expectError(header("\"t\":[]", data: 4), .malformed, field: "header")
    }

    @Test func everyByteBelongsToOneTensor() {
        let t = SafetensorsBuilder.tensor
        expectError(
            header(t("a", "F32", [2], 0, 8), t("b", "F32", [2], 4, 12), data: 12), .overlap, field: "tensor 'b'")
        expectError(header(t("a", "F32", [2], 0, 8), t("b", "F32", [2], 0, 8), data: 8), .overlap, field: "tensor 'b'")
        expectError(header(t("a", "F32", [2], 0, 8), t("b", "F32", [1], 12, 16), data: 16), .gap, field: "tensor 'b'")
        expectError(header(t("a", "F32", [1], 4, 8), data: 8), .gap, field: "tensor 'a'")
        expectError(header(t("a", "F32", [1], 0, 4), data: 5), .gap, field: "data")
        expectError(SafetensorsBuilder("{}", data: 1), .gap, field: "data")
    }

    @Test func duplicatesAreNamed() {
        let t = SafetensorsBuilder.tensor
        expectError(
            header(t("a", "F32", [1], 0, 4), t("a", "F32", [1], 4, 8), data: 8), .duplicate, field: "tensor 'a'")
        expectError(
            header("\"t\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}", data: 4),
            .duplicate, field: "tensor 't' dtype")
    }

    @Test func deepOrEndlessHeadersAreErrors() {
        expectError(
            SafetensorsBuilder("{\"__metadata__\":" + String(repeating: "[", count: 3_000_000)), .malformed,
            field: "header")
        expectError(SafetensorsBuilder("{\"" + String(repeating: "x", count: 1_000_000)), .malformed, field: "header")
        expectError(SafetensorsBuilder("{}x"), .malformed, field: "header")
    }

    @Test func namesCannotBreakAMessageIntoLines() {
        let name = "two\\nlines\\u001b[2J" + String(repeating: "x", count: 5_000)
        let builder = header(SafetensorsBuilder.tensor(name, "F64", [1], 0, 8), data: 8)
        let error = #expect(throws: SafetensorsError.self) { try readAll(builder.bytes) }
        let text = error?.description ?? "\n"
        #expect(!text.contains("\n") && !text.contains("\u{1b}") && text.count < 400)
    }
}
