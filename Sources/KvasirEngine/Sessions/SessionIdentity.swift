internal import Crypto
internal import KvasirCache
internal import KvasirCodecs
internal import KvasirModels
internal import KvasirNumerics

/// Everything that the bytes of a cached token depend on beside the token and those before it: a session is restored only
/// where all of it is the same.
///
/// Bytes that were computed with other kernels would be usable, but the tokens after them would not be, bit for bit, those
/// that computing them anew gives; so the instruction set counts, too.
public struct SessionIdentity: Sendable, Hashable {
    /// What counts, and its value, in the order in which they are compared.
    let fields: [Field]

    struct Field: Sendable, Hashable {
        let name: String
        let value: String
    }

    /// Reads what an engine computes with.
    ///
    /// - Throws: `SessionError` if full pages of the cache still change; as `LanguageModel.fingerprint`.
    public init(_ engine: InferenceEngine) throws {
        let (model, plan) = (engine.model, engine.plan)
        guard !plan.isAdaptive else {
            throw SessionError(
                .unsupportedCache, received: "sessions with the cache \(plan.configuration)",
                remedy:
                    "its bits follow the tokens to come, so that going on would not give what it had given; use another cache, or no sessions"
            )
        }
        let hashes = engine.calibrationDigests
        fields = [
            Field(name: "model", value: try model.fingerprint()),
            Field(name: "weights", value: "\(model.weights.rawValue), \(engine.precision.rawValue)"),
            Field(name: "cache", value: plan.configuration.description),
            Field(name: "layers", value: plan.layerGroups.map(Self.text).joined(separator: "; ")),
            Field(name: "calibrations", value: hashes.isEmpty ? "none" : hashes.joined(separator: ",")),
            Field(
                name: "pages",
                value:
                    "\(PageGeometry.tokens) tokens, \(plan.pageBytes)+\(plan.windowPageBytes)+\(plan.localPageBytes) bytes"
            ),
            Field(name: "instructions", value: engine.instructionSets.map(\.rawValue).joined(separator: "+")),
        ]
    }

    init(fields: [Field]) { self.fields = fields }

    private static func text(_ group: CachePlan.LayerGroup) -> String {
        func window(_ name: String, _ tokens: ExactTokens?) -> String {
            tokens.map { " \(name)(\($0.sinks),\($0.recent),\($0.block))" } ?? ""
        }
        return "\(group.layers.lowerBound)-\(group.layers.upperBound) K=\(group.keyName) V=\(group.valueName)"
            + window("k", group.exactKeys) + window("v", group.exactValues)
            + (group.slidingWindow.map { " last \($0)" } ?? "")
    }

    // MARK: In a file

    /// A line for each field.
    var text: String { fields.map { "\($0.name)\t\($0.value)\n" }.joined() }

    /// Reads the lines; nil if they are none.
    init?(text: String) {
        var fields: [Field] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            fields.append(Field(name: String(parts[0]), value: String(parts[1])))
        }
        guard text.hasSuffix("\n"), !fields.isEmpty else { return nil }
        self.fields = fields
    }

    /// Checks that a session of `saved` can be used here.
    ///
    /// - Throws: `SessionError` naming the first thing that differs, on both sides.
    func check(_ saved: SessionIdentity, of name: SessionName) throws(SessionError) {
        for field in fields {
            let other = saved.fields.first { $0.name == field.name }?.value ?? "nothing"
            guard other == field.value else {
                throw SessionError(
                    .mismatch,
                    received: "session '\(name)' was saved with \(field.name) \(Self.short(other)), here it is "
                        + Self.short(field.value),
                    remedy: field.name == "model"
                        ? "serve the model it was saved with, or save it anew"
                        : "start with the settings it was saved with, or save it anew")
            }
        }
        guard saved.fields.count == fields.count else {
            throw SessionError(
                .mismatch, received: "session '\(name)' depends on \(saved.fields.map(\.name).joined(separator: ", "))",
                remedy: "here nothing is known of some of it; save it anew")
        }
    }

    /// A value of a file, which may be anything, on one line and not too long.
    private static func short(_ value: String) -> String {
        let isHash = value.utf8.count == 64 && value.utf8.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
        let scalars = value.unicodeScalars.prefix(isHash ? 12 : 160).map {
            $0.value < 0x20 || $0.value == 0x7F ? "?" : $0
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }
}

extension Digest {
    var hexadecimal: String {
        map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
    }
}
