import Foundation
import KvasirModels
import Testing

@testable import KvasirEngine

/// The file of activation ranges: what is written is read, and nothing else.
@Suite struct SmoothQuantCalibrationTests {
    private static let layer: [SmoothingSite: [Float]] = [
        .attention: [1, 2, 0], .attentionOutput: [3, 1e-20], .feedForward: [4, 5, 6], .down: [.greatestFiniteMagnitude],
    ]
    private static let calibration = SmoothQuantCalibration(
        origin: CalibrationOrigin(model: "00ff", family: "opt", order: nil, source: "a text", tokens: 300),
        smoothing: Smoothing(maxima: [layer, layer], alpha: 0.65, sites: [.attention, .down]))

    private func withFile(_ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "smooth-\(UUID()).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func whatIsWrittenIsRead() throws {
        try withFile { path in
            try Self.calibration.write(to: path)
            #expect(try SmoothQuantCalibration(path: path) == Self.calibration)
            let none = SmoothQuantCalibration(
                origin: Self.calibration.origin, smoothing: Smoothing(maxima: [Self.layer], alpha: 0, sites: []))
            try none.write(to: path)
            #expect(try SmoothQuantCalibration(path: path) == none)
        }
    }

    @Test func anyDamageIsFound() throws {
        try withFile { path in
            try Self.calibration.write(to: path)
            let good = try Data(contentsOf: URL(filePath: path))
            for (old, new, reason) in [
                ("\"alpha\":\"0.65\"", "\"alpha\":\"1.65\"", .malformed),
                ("\"alpha\":\"0.65\"", "\"alpha\":\"zero\"", .malformed),
                ("\"sites\":\"attention,down\"", "\"sites\":\"attentiom,down\"", .malformed),
                ("layers.1.down", "layers.2.down", .malformed), ("layers.0.mlp", "layers.0.mlq", .malformed),
                ("\"kind\":\"smoothquant\"", "\"kind\":\"smoothquand\"", .otherKind),
                ("\"sha256\":\"", "\"sha256\":\"0", .malformed),
            ] as [(String, String, CalibrationError.Reason)] {
                var text = good
                let range = try #require(text.range(of: Data(old.utf8)), "\(old)")
                text.replaceSubrange(range, with: Data(new.utf8))
                try text.write(to: URL(filePath: path))
                let error = #expect(throws: CalibrationError.self, "\(new)") { try SmoothQuantCalibration(path: path) }
                #expect(error?.reason == reason, "\(new)")
            }
            // A magnitude below zero, or none at all, with the right hash.
            for bad: Float in [-1, .infinity, .nan] {
                var layer = Self.layer
                layer[.down] = [bad]
                try SmoothQuantCalibration(
                    origin: Self.calibration.origin, smoothing: Smoothing(maxima: [layer])
                ).write(to: path)
                #expect(throws: CalibrationError.self) { try SmoothQuantCalibration(path: path) }
            }
        }
    }
}
