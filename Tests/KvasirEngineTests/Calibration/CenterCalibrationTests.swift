import Foundation
import KvasirCodecs
import Testing

@testable import KvasirEngine

/// The file of a calibration: what is written is read, and nothing else.
@Suite struct CenterCalibrationTests {
    private static let calibration = CenterCalibration(
        origin: CalibrationOrigin(model: "00ff", family: "llama", order: .halves, source: "a text", tokens: 300),
        means: [[1, -2, 0.5, 1e-20], [3, 4, 5, -.greatestFiniteMagnitude]])

    /// Calls `body` with the path of a file that does not exist yet.
    private func withFile(_ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "center-\(UUID()).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func whatIsWrittenIsRead() throws {
        try withFile { path in
            try Self.calibration.write(to: path)
            #expect(try CenterCalibration(path: path) == Self.calibration)
            // Again, over the first: a reader never sees half a file.
            try Self.calibration.write(to: path)
            #expect(try CenterCalibration(path: path) == Self.calibration)
        }
    }

    @Test func anyDamageIsFound() throws {
        try withFile { path in
            try Self.calibration.write(to: path)
            let good = try Data(contentsOf: URL(filePath: path))
            for length in [0, 7, 8, 40, good.count - 4, good.count - 1] {
                try good.prefix(length).write(to: URL(filePath: path))
                let error = #expect(throws: CalibrationError.self, "\(length) bytes") {
                    try CenterCalibration(path: path)
                }
                #expect(error?.reason == .malformed)
            }
            func expectRefusal(
                of old: String, for new: String, _ reason: CalibrationError.Reason = .malformed
            ) throws {
                var text = good
                let range = try #require(text.range(of: Data(old.utf8)), "\(old)")
                text.replaceSubrange(range, with: Data(new.utf8))
                try text.write(to: URL(filePath: path))
                let error = #expect(throws: CalibrationError.self, "\(new)") { try CenterCalibration(path: path) }
                #expect(error?.reason == reason)
            }
            try expectRefusal(of: "\"version\":\"2\"", for: "\"version\":\"1\"")
            try expectRefusal(of: "kvasir-calibration", for: "kvasir-calibratiom")
            try expectRefusal(of: "\"kind\":\"center\"", for: "\"kind\":\"centre\"", .otherKind)
            // The numbers no longer are those that were hashed.
            try expectRefusal(of: "\"sha256\":\"", for: "\"sha256\":\"0")
            try expectRefusal(of: "[2,4]", for: "[4,4]")
            try expectRefusal(of: "[2,4]", for: "[0,4]")
            try expectRefusal(of: "F32", for: "F16")
            try expectRefusal(of: "halves", for: "helves")
            var infinite = good
            infinite.replaceSubrange(good.count - 4..<good.count, with: [0, 0, 0x80, 0x7F])
            try infinite.write(to: URL(filePath: path))
            #expect(throws: CalibrationError.self) { try CenterCalibration(path: path) }
            var long = good
            long.replaceSubrange(0..<8, with: [UInt8](repeating: 0xFF, count: 8))
            try long.write(to: URL(filePath: path))
            #expect(throws: CalibrationError.self) { try CenterCalibration(path: path) }
        }
    }

    @Test func aFileThatCannotBeHadSaysSo() throws {
        let missing = #expect(throws: CalibrationError.self) { try CenterCalibration(path: "/nowhere/at/all") }
        #expect(missing?.reason == .unreadable)
        let unwritable = #expect(throws: CalibrationError.self) { try Self.calibration.write(to: "/nowhere/at/all") }
        #expect(unwritable?.reason == .unwritable)
    }
}
