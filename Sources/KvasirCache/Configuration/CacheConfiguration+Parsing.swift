internal import KvasirCodecs

extension CacheConfiguration {
    /// Parses clauses separated by semicolons; spaces and case do not matter.
    ///
    /// The first clause is `CODEC`, `K=CODEC,V=CODEC` or the name of a preset. After it, in any order: `recent=N` and
    /// `sinks=N` (or `K:N,V:N` in place of `N`) once each, and `layers LIST=CODEC` as often as needed. A clause after a
    /// preset replaces the preset's own of the same kind.
    ///
    /// - Throws: `CacheError` naming the clause that does not parse, or names a codec that does not exist.
    public init(parsing text: String) throws(CacheError) {
        let clauses = text.filter { !$0.isWhitespace }.split(separator: ";", omittingEmptySubsequences: false)
        let parser = Parser(text: text, isSingle: clauses.count == 1)
        let first = clauses.first ?? ""
        let base: CacheConfiguration
        if let preset = CachePreset.named(first) {
            base = try CacheConfiguration(parsing: preset.configuration)
        } else {
            base = CacheConfiguration(codecs: try parser.codecs(first))
        }
        var overrides: [LayerOverride]?
        var recent: WindowLength?
        var sinks: WindowLength?
        for clause in clauses.dropFirst() {
            switch try parser.clause(clause) {
            case .recent(let length):
                guard recent == nil else { throw parser.twice("recent") }
                recent = length
            case .sinks(let length):
                guard sinks == nil else { throw parser.twice("sinks") }
                sinks = length
            case .layers(let override): overrides = (overrides ?? []) + [override]
            }
        }
        self.init(
            codecs: base.codecs, overrides: overrides ?? base.overrides, recent: recent ?? base.recent,
            sinks: sinks ?? base.sinks)
    }
}

/// Parses the clauses of one text, all spaces taken out.
private struct Parser {
    enum Clause {
        case recent(WindowLength)
        case sinks(WindowLength)
        case layers(LayerOverride)
    }

    /// The text as received.
    let text: String
    /// Whether the text has one clause only, so that messages need not say which.
    let isSingle: Bool

    func error(_ detail: String) -> CacheError {
        CacheError(.malformedConfiguration, received: text, detail: detail)
    }

    func twice(_ name: String) -> CacheError { error("\(name) is given twice; give it once") }

    /// An error in a clause, which is named where there are others.
    private func error(in clause: Substring, _ detail: String) -> CacheError {
        let word = "layers"
        let spaced = clause.lowercased().hasPrefix(word) ? "\(word) \(clause.dropFirst(word.count))" : String(clause)
        return error(isSingle ? detail : "in '\(spaced)', \(detail)")
    }

    func clause(_ clause: Substring) throws(CacheError) -> Clause {
        let lowered = clause.lowercased()
        if lowered.hasPrefix("layers") { return .layers(try layers(clause)) }
        let sides = clause.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = sides[0].lowercased()
        switch name {
        case "recent" where sides.count == 2: return .recent(try length(sides[1], in: clause, example: "recent=64"))
        case "sinks" where sides.count == 2: return .sinks(try length(sides[1], in: clause, example: "sinks=4"))
        default:
            let nearest = CodecRegistry.nearestName(to: name, among: ["recent", "sinks", "layers"])
            throw error(
                "'\(clause)' is no clause; " + (nearest.map { "did you mean '\($0)'? " } ?? "")
                    + "After the codec come recent=N, sinks=N and layers LIST=CODEC, as in "
                    + "nf4; layers 0-1,-1=f16; recent=64; sinks=4")
        }
    }

    // MARK: Codecs

    func codecs(_ clause: Substring) throws(CacheError) -> CodecPair {
        try codecs(clause, in: clause)
    }

    private func codecs(_ specification: Substring, in clause: Substring) throws(CacheError) -> CodecPair {
        guard specification.contains("=") else {
            let name = String(specification)
            return try pair(keys: name, values: name, in: clause)
        }
        var parts: [String: String] = [:]
        for part in specification.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let name = sides[0].uppercased()
            guard sides.count == 2, name == "K" || name == "V" else {
                throw error(in: clause, "'\(part)' is neither K=CODEC nor V=CODEC; write for example K=f16,V=nf4")
            }
            guard parts.updateValue(sides[1], forKey: name) == nil else {
                throw error(in: clause, "\(name) is given twice; give each of K and V once")
            }
        }
        guard let keys = parts["K"], let values = parts["V"] else {
            let missing = parts["K"] == nil ? "K" : "V"
            throw error(
                in: clause, "\(missing) is missing; write for example K=f16,V=nf4, or one codec for both")
        }
        return try pair(keys: keys, values: values, in: clause)
    }

    private func pair(keys: String, values: String, in clause: Substring) throws(CacheError) -> CodecPair {
        do throws(CodecError) {
            return try CodecPair(keys: keys, values: values)
        } catch {
            let presets = CachePreset.all.map(\.name)
            if error.reason == .unknownCodec, keys == values,
                let preset = CodecRegistry.nearestName(
                    to: keys.lowercased(), among: CodecRegistry.names + presets), presets.contains(preset)
            {
                throw self.error(
                    in: clause,
                    "'\(keys)' is no preset; did you mean '\(preset)'? "
                        + "The presets are \(presets.joined(separator: ", "))")
            }
            throw self.error(in: clause, error.description)
        }
    }

    // MARK: Layers

    private func layers(_ clause: Substring) throws(CacheError) -> LayerOverride {
        let sides = clause.dropFirst("layers".count)
            .split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard sides.count == 2 else {
            throw error(in: clause, "there is no codec; write for example layers 0-1,-1=f16")
        }
        guard let list = LayerList(sides[0]) else {
            throw error(
                in: clause,
                "'\(sides[0])' is no list of layers; write indices and ranges, negative ones counted from the end, as in "
                    + "layers 0-1,-1=f16")
        }
        return LayerOverride(layers: list, codecs: try codecs(sides[1], in: clause))
    }

    // MARK: Windows

    private func length(_ words: Substring, in clause: Substring, example: String) throws(CacheError) -> WindowLength {
        guard words.contains(":") else {
            let tokens = try number(words, in: clause, example: example)
            return WindowLength(keys: tokens, values: tokens)
        }
        var parts: [String: Int] = [:]
        for part in words.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let name = sides[0].uppercased()
            guard sides.count == 2, name == "K" || name == "V" else {
                throw error(in: clause, "'\(part)' is neither K:N nor V:N; write for example recent=K:64,V:128")
            }
            let tokens = try number(sides[1], in: clause, example: example)
            guard parts.updateValue(tokens, forKey: name) == nil else {
                throw error(in: clause, "\(name) is given twice; give each of K and V at most once")
            }
        }
        return WindowLength(keys: parts["K"] ?? 0, values: parts["V"] ?? 0)
    }

    private func number(_ digits: Substring, in clause: Substring, example: String) throws(CacheError) -> Int {
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            throw error(
                in: clause, "'\(digits)' is no number of tokens; write for example \(example)")
        }
        let longest = CacheConfiguration.longestWindow
        guard let tokens = Int(digits), tokens <= longest else {
            throw error(
                in: clause, "\(digits) tokens are more than a window may have; the most is \(longest), or store f16")
        }
        return tokens
    }
}
