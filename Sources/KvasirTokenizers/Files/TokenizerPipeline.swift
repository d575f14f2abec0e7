internal import KvasirJSON

/// What the steps of a tokenizer.json amount to.
struct TokenizerPipeline {
    let algorithm: TokenizerVocabulary.Algorithm
    private(set) var preTokenizer: PreTokenizer?
    private(set) var prefersWholePieces = false
    private(set) var spaces = TokenizerVocabulary.Spaces()
    private(set) var fusesUnknown = true
    private(set) var hasByteTokens = false

    private let file: FileBytes

    /// The members of a sequence, or the step itself; none where there is no step.
    static func steps(_ value: JSONValue, members: String) -> [JSONValue] {
        if value == .null { return [] }
        guard value["type"]?.string == "Sequence" else { return [value] }
        return (value[members]?.array ?? []).flatMap { steps($0, members: members) }
    }

    init(_ parts: TokenizerJSON) throws(TokenizerFileError) {
        file = parts.file
        let normalizers = Self.steps(parts.normalizer, members: "normalizers")
        let preTokenizers = Self.steps(parts.preTokenizer, members: "pretokenizers")
        let model = JSONValue.object(parts.model)
        hasByteTokens = model["byte_fallback"]?.bool ?? false
        // Old files do not name the kind of their model; those of unigrams have an id for what is unknown.
        switch model["type"]?.string ?? (model["unk_id"] == nil ? "BPE" : "Unigram") {
        case "BPE":
            for key in ["continuing_subword_prefix", "end_of_word_suffix"] where model[key]?.string ?? "" != "" {
                throw TokenizerFileError(.unsupported, file, "model.\(key) is '\(model[key]?.string ?? "")'")
            }
            guard model["dropout"] == nil || model["dropout"] == .number(0) || model["dropout"] == .integer(0) else {
                throw TokenizerFileError(.unsupported, file, "model.dropout makes tokens random")
            }
            prefersWholePieces = model["ignore_merges"]?.bool ?? false
            fusesUnknown = model["fuse_unk"]?.bool ?? false
            if preTokenizers.contains(where: { $0["type"]?.string == "ByteLevel" }) {
                algorithm = .byteLevel
                try readByteLevel(normalizers, preTokenizers)
                return
            }
            guard !prefersWholePieces else { throw TokenizerFileError(.unsupported, file, "model.ignore_merges") }
            algorithm = .merges
        case "Unigram": algorithm = .unigram
        case let type: throw TokenizerFileError(.unsupported, file, "the model is '\(type)'")
        }
        try readSpaces(normalizers, preTokenizers)
    }

    private mutating func readByteLevel(
        _ normalizers: [JSONValue], _ steps: [JSONValue]
    ) throws(TokenizerFileError) {
        for step in normalizers where step["type"]?.string != "NFC" { throw unsupported("normalizer", step) }
        let splitters: [String] = steps.compactMap { step in
            switch step["type"]?.string {
            case "ByteLevel": step["use_regex"]?.bool ?? true ? "gpt-2" : nil
            case "Digits": step["individual_digits"]?.bool == true ? "digit" : "digits"
            case "Split":
                step["behavior"]?.string == "Isolated" && step["invert"]?.bool != true
                    ? step["pattern"]?["Regex"]?.string ?? "" : ""
            default: ""
            }
        }
        guard let last = steps.last, last["type"]?.string == "ByteLevel" else {
            throw unsupported("pre-tokenizer", steps.last ?? .null)
        }
        guard last["add_prefix_space"]?.bool != true else {
            throw TokenizerFileError(.unsupported, file, "the tokenizer wants a space before a text")
        }
        switch splitters {
        case ["gpt-2"], [PreTokenizer.gpt2Expression]: preTokenizer = .gpt2
        case ["digit", "gpt-2"]: preTokenizer = .smollm
        case [PreTokenizer.llama3Expression]: preTokenizer = .llamaBPE
        case [PreTokenizer.qwen2Expression]: preTokenizer = .qwen2
        default:
            throw TokenizerFileError(
                .unsupported, file,
                "the pre-tokenizer cuts by '\(splitters.joined(separator: "', then '").prefix(300))'")
        }
    }

    /// The ways to write SentencePiece's treatment of spaces: as normalizers, or as the pre-tokenizer Metaspace.
    private mutating func readSpaces(
        _ normalizers: [JSONValue], _ preTokenizers: [JSONValue]
    ) throws(TokenizerFileError) {
        var isEscaped = false
        for step in normalizers {
            switch step["type"]?.string {
            case "Prepend" where step["prepend"]?.string == "\u{2581}" && !isEscaped: spaces.prefix = .everyFragment
            case "Replace" where step["pattern"]?["String"]?.string == " " && step["content"]?.string == "\u{2581}":
                isEscaped = true
            default: throw unsupported("normalizer", step)
            }
        }
        for step in preTokenizers {
            switch step["type"]?.string {
            // Gemma: by then no space is left to cut at.
            case "Split" where isEscaped && step["pattern"]?["String"]?.string == " ": break
            case "Metaspace" where !isEscaped && step["replacement"]?.string == "\u{2581}":
                isEscaped = true
                spaces.splits = step["split"]?.bool ?? true
                spaces.prefixesSpaces = false
                // Old files have a truth value instead.
                switch step["prepend_scheme"]?.string ?? (step["add_prefix_space"]?.bool == false ? "never" : "always")
                {
                case "always": spaces.prefix = .everyFragment
                case "first": spaces.prefix = .firstFragment
                case "never": spaces.prefix = .none
                default: throw unsupported("pre-tokenizer", step)
                }
            default: throw unsupported("pre-tokenizer", step)
            }
        }
        guard isEscaped else {
            throw TokenizerFileError(
                .unsupported, file, "the tokenizer neither is byte-level nor writes U+2581 for spaces")
        }
    }

    private func unsupported(_ kind: String, _ step: JSONValue) -> TokenizerFileError {
        let pattern = step["pattern"].map { " of \(($0["Regex"] ?? $0["String"])?.string ?? "")" } ?? ""
        return TokenizerFileError(
            .unsupported, file, "the \(kind) '\(step["type"]?.string ?? "")\(pattern.prefix(200))'")
    }
}

extension PreTokenizer {
    /// The expressions as tokenizer.json files write them.
    static let gpt2Expression =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    static let llama3Expression =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    static let qwen2Expression = llama3Expression.replacing(#"\p{N}{1,3}"#, with: #"\p{N}"#)
}
