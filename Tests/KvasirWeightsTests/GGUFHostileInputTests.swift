import Foundation
import KvasirWeights
import Testing

/// Files that lie.
///
/// All bytes end at an inaccessible page, so a read outside them would end the process.
@Suite struct GGUFHostileInputTests {
    /// Opens the bytes and, if that succeeds, reads everything they hold.
    @discardableResult
    private func readAll(_ bytes: some Collection<UInt8>) throws -> GGUFFile {
        let file = try GGUFFile(contents: GuardedBytes(bytes), path: "m.gguf")
        for tensor in file.tensors {
            #expect(tensor.bytes.count == tensor.byteCount)
            _ = tensor.dequantized()
        }
        return file
    }

    private func expectError(
        _ builder: GGUFBuilder, _ reason: GGUFError.Reason, field: String, at offset: Int?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: GGUFError.self, sourceLocation: sourceLocation) { try readAll(builder.bytes) }
        #expect(error?.reason == reason, sourceLocation: sourceLocation)
        #expect(error?.field == field, sourceLocation: sourceLocation)
        #expect(error?.offset == offset, sourceLocation: sourceLocation)
        #expect(error?.description.contains("\n") == false, sourceLocation: sourceLocation)
    }

    /// A file with one tensor; the closure writes its table line.
    private func oneTensor(data: Int = 64, _ write: (inout GGUFBuilder) -> Void) -> GGUFBuilder {
        var builder = GGUFBuilder(tensors: 1, pairs: 0)
        write(&builder)
        builder.pad()
        builder.data(data)
        return builder
    }

    @Test func theSampleItselfIsValid() throws {
        let file = try readAll(GGUFBuilder.sample().bytes)
        #expect(file.tensorNames == ["a", "b", "c"])
        #expect(file.metadata.keys.count == 7)
        #expect(file.tensors.last?.byteRange.upperBound == GGUFBuilder.sample().bytes.count)
    }

    @Test func everyTruncationIsAnError() {
        let bytes = GGUFBuilder.sample().bytes
        for length in 0..<bytes.count {
            let error = #expect(throws: GGUFError.self, "\(length) bytes") { try readAll(bytes[..<length]) }
            #expect(error?.reason == (length == 0 ? .notGGUF : .truncated), "\(length) bytes")
            #expect(error?.offset ?? .max <= length, "\(length) bytes: \(String(describing: error))")
        }
    }

    @Test func everyLyingFieldIsAnErrorOrHarmless() {
        let sample = GGUFBuilder.sample()
        let huge: [UInt64] = [
            .max, .max - 1, 1 << 63, 1 << 63 - 1, 1 << 62, 1 << 60, 1 << 40, 1 << 32, 1 << 31, 0xffff_ffff, 0x7fff_ffff,
        ]
        var refused = 0
        for field in sample.fields {
            for value in huge {
                let value = field.width == 4 ? UInt64(UInt32(truncatingIfNeeded: value)) : value
                guard value != 0 else { continue }
                var bytes = sample.bytes
                withUnsafeBytes(of: value.littleEndian) {
                    bytes.replaceSubrange(field.offset..<field.offset + field.width, with: $0.prefix(field.width))
                }
                // Every one of these fields is checked, and none of these values is right.
                let error = #expect(throws: GGUFError.self, "\(field.name) = \(value)") { try readAll(bytes) }
                refused += error == nil ? 0 : 1
            }
        }
        #expect(refused > 400)
    }

    @Test func everySmallChangeOfAFieldIsAnErrorOrHarmless() {
        let sample = GGUFBuilder.sample()
        for field in sample.fields {
            for value in 0...255 as ClosedRange<UInt8> {
                var bytes = sample.bytes
                bytes[field.offset] = value
                expectHarmless(bytes, "\(field.name), lowest byte \(value)")
            }
        }
    }

    @Test func randomDamageIsAnErrorOrHarmless() {
        let sample = GGUFBuilder.sample().bytes
        var generator = SeededGenerator(state: 20_260_801)
        var opened = 0
        for round in 0..<8_000 {
            var bytes = sample
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 1: bytes[position] = UInt8.random(in: 0...255, using: &generator)
                case 2: bytes.remove(at: position)
                case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: position)
                default:
                    let end = min(bytes.count, position + Int.random(in: 1...16, using: &generator))
                    for index in position..<end { bytes[index] = 0xff }
                }
            }
            if expectHarmless(bytes, "round \(round)") { opened += 1 }
        }
        // Both outcomes must occur, or the damage is not the kind that tests anything.
        #expect((100..<7_900).contains(opened))
    }

    /// Expects success or a `GGUFError`; returns whether it was success.
    @discardableResult
    private func expectHarmless(_ bytes: [UInt8], _ comment: Comment) -> Bool {
        do {
            try readAll(bytes)
            return true
        } catch let error as GGUFError {
            #expect(error.offset ?? 0 <= bytes.count, comment)
            #expect(!error.description.contains("\n"), comment)
        } catch {
            Issue.record(error, comment)
        }
        return false
    }

    // MARK: - What each message names

    @Test func anotherMagicIsNotGGUF() {
        expectError(GGUFBuilder(magic: "GGML", tensors: 0, pairs: 0), .notGGUF, field: "magic", at: 0)
        let error = #expect(throws: GGUFError.self) { try readAll(Array("PK\u{3}\u{4} zip".utf8)) }
        #expect(
            error?.description
                == "m.gguf: magic (byte 0): expected 47 47 55 46 ('GGUF'), found 50 4b 03 04; give a model in GGUF format"
        )
    }

    @Test func otherVersionsAndByteOrdersAreNamed() {
        for version in [0, 1, 4, 0xffff] as [UInt32] {
            expectError(
                GGUFBuilder(version: version, tensors: 0, pairs: 0), .unsupportedVersion, field: "version", at: 4)
        }
        expectError(
            GGUFBuilder(version: UInt32(3).byteSwapped, tensors: 0, pairs: 0), .unsupportedByteOrder, field: "version",
            at: 4)
    }

    @Test func countsBeyondTheFileAreTruncation() {
        expectError(GGUFBuilder(tensors: 1, pairs: 0), .truncated, field: "tensor count", at: 8)
        expectError(GGUFBuilder(tensors: 0, pairs: .max), .truncated, field: "key count", at: 16)
    }

    @Test func alignmentIsAPowerOfTwo() {
        for value in [0, 3, 24, 48, 131_072, .max] as [UInt32] {
            var builder = GGUFBuilder(tensors: 0, pairs: 1)
            builder.uint32("general.alignment", value)
            expectError(builder, .malformed, field: "value of key 'general.alignment'", at: 24 + 8 + 17)
        }
        var builder = GGUFBuilder(tensors: 0, pairs: 1)
        builder.string(key: "general.alignment", Array("32".utf8))
        expectError(builder, .malformed, field: "value of key 'general.alignment'", at: 24 + 8 + 17)
    }

    @Test(arguments: [1, 8, 4_096]) func alignmentMovesTheData(_ alignment: Int) throws {
        var builder = GGUFBuilder(tensors: 2, pairs: 1)
        builder.uint32("general.alignment", UInt32(alignment))
        builder.tensor("a", shape: [2], offset: 0)
        builder.tensor("b", shape: [1], offset: UInt64(max(8, alignment)))
        builder.pad(to: alignment)
        let start = builder.bytes.count
        builder.raw([Float(1), 2].map(\.bitPattern)[0])
        builder.raw(Float(2))
        builder.pad(to: alignment)
        builder.raw(Float(3))
        let file = try readAll(builder.bytes)
        #expect(file.alignment == alignment)
        #expect(file.tensors.first?.byteRange.lowerBound == start)
        #expect(file.tensors.map { $0.dequantized() } == [[1, 2], [3]])
    }

    @Test func duplicatesAreNamed() {
        var keys = GGUFBuilder(tensors: 0, pairs: 2)
        keys.uint32("k", 1)
        let second = keys.bytes.count
        keys.uint32("k", 2)
        expectError(keys, .duplicate, field: "key 'k'", at: second)

        var tensors = GGUFBuilder(tensors: 2, pairs: 0)
        tensors.tensor("t", shape: [8], offset: 0)
        let line = tensors.bytes.count
        tensors.tensor("t", shape: [8], offset: 32)
        tensors.pad()
        tensors.data(64)
        expectError(tensors, .duplicate, field: "tensor 't'", at: line)
    }

    @Test func overlapAndMisalignmentAreNamed() {
        var overlap = GGUFBuilder(tensors: 3, pairs: 0)
        overlap.tensor("late", shape: [8], offset: 64)
        overlap.tensor("first", shape: [9], offset: 0)
        let line = overlap.bytes.count
        overlap.tensor("second", shape: [8], offset: 32)
        overlap.pad()
        overlap.data(96)
        expectError(overlap, .overlap, field: "tensor 'second'", at: line)

        let misaligned = oneTensor { $0.tensor("t", shape: [8], offset: 16) }
        expectError(misaligned, .misaligned, field: "tensor 't' offset", at: 24 + 8 + 1 + 4 + 8 + 4)
    }

    @Test func dataBeyondTheFileAreNamed() {
        let builder = oneTensor { $0.tensor("t", shape: [17], offset: 0) }
        expectError(builder, .truncated, field: "tensor 't' offset", at: 24 + 8 + 1 + 4 + 8 + 4)
        let error = #expect(throws: GGUFError.self) { try readAll(builder.bytes) }
        #expect(
            error?.description
                == "m.gguf: tensor 't' offset (byte 49): its 68 bytes at 0 of the data (which start at byte 64) reach "
                + "beyond the file's 128 bytes; the file is truncated or damaged, fetch it again")
    }

    @Test func impossibleShapesAreNamed() {
        let rank = 24 + 8 + 1
        expectError(
            oneTensor { $0.tensor("t", shape: [1, 1, 1, 1, 1], offset: 0) }, .malformed,
            field: "tensor 't' dimension count", at: rank)
        expectError(
            oneTensor { $0.tensor("t", shape: [8, 0], offset: 0) }, .malformed, field: "tensor 't' dimension 1",
            at: rank + 12)
        expectError(
            oneTensor { $0.tensor("t", shape: [1 << 63], offset: 0) }, .malformed, field: "tensor 't' dimension 0",
            at: rank + 4)
        expectError(
            oneTensor { $0.tensor("t", shape: [1 << 32, 1 << 32], offset: 0) }, .malformed,
            field: "tensor 't' dimensions", at: rank + 4)
        expectError(
            oneTensor { $0.tensor("t", shape: [48], type: 3, offset: 0) }, .malformed, field: "tensor 't' dimensions",
            at: rank + 4)
    }

    @Test func unsupportedTensorTypesAreNamed() {
        let builder = oneTensor { $0.tensor("t", shape: [256], type: 17, offset: 0) }
        expectError(builder, .unsupportedTensorType, field: "tensor 't' type", at: 24 + 8 + 1 + 4 + 8)
        let error = #expect(throws: GGUFError.self) { try readAll(builder.bytes) }
        #expect(error?.found == "tensor type IQ2_XS is not supported")
    }

    @Test func valuesOutsideTheirTypeAreNamed() {
        var bool = GGUFBuilder(tensors: 0, pairs: 1)
        bool.key("b", type: 7)
        let value = bool.bytes.count
        bool.raw(UInt8(2))
        expectError(bool, .malformed, field: "value of key 'b'", at: value)

        var type = GGUFBuilder(tensors: 0, pairs: 1)
        type.key("t", type: 13)
        type.raw(UInt64(0))
        expectError(type, .malformed, field: "type of value of key 't'", at: 24 + 9)

        var name = GGUFBuilder(tensors: 0, pairs: 1)
        name.string("key", [0xff])
        name.raw(UInt64(0))
        expectError(name, .malformed, field: "key 0", at: 24)

        var long = GGUFBuilder(tensors: 0, pairs: 1)
        long.string("key", [UInt8](repeating: 0x61, count: 65_536))
        long.raw(UInt64(0))
        expectError(long, .malformed, field: "key 0", at: 24)
    }

    @Test func deepNestingIsAnErrorAndModerateNestingIsNot() throws {
        func nested(_ depth: Int) -> GGUFBuilder {
            var builder = GGUFBuilder(tensors: 0, pairs: 1)
            builder.key("n", type: 9)
            for _ in 1..<depth { builder.array("n", type: 9, count: 1) }
            builder.array("n", type: 0, count: 0)
            return builder
        }
        try readAll(nested(8).bytes)
        let error = #expect(throws: GGUFError.self) { try readAll(nested(9).bytes) }
        #expect(error?.reason == .malformed)
        #expect(error?.found == "arrays are nested deeper than 8")
        #expect(throws: GGUFError.self) { try readAll(nested(100_000).bytes) }
    }

    @Test func namesCannotBreakAMessageIntoLinesOrFillTheScreen() {
        let builder = oneTensor {
            $0.tensor("two\nlines\u{1b}[2J" + String(repeating: "x", count: 5_000), shape: [0], offset: 0)
        }
        let error = #expect(throws: GGUFError.self) { try readAll(builder.bytes) }
        let text = error?.description ?? "\n"
        #expect(!text.contains("\n") && !text.contains("\u{1b}"))
        #expect(text.count < 400)
    }
}
