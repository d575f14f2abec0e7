internal import KvasirJSON

extension TokenizerVocabulary {
    /// The vocabulary of a tokenizer.json, the file of Hugging Face's `tokenizers` library.
    ///
    /// The file describes a pipeline; the pipelines of byte-level BPE and of SentencePiece are recognised, and what does
    /// more is refused rather than approximated. The one exception is composition (NFC), which is passed over: see
    /// `BytePairTokenizer`.
    ///
    /// - Parameters:
    ///   - file: the file's text.
    ///   - settings: what the folder says besides.
    /// - Throws: `TokenizerFileError`.
    public init(tokenizerJSON file: FileBytes, settings: TokenizerSettings = .init()) throws(TokenizerFileError) {
        let parts = try TokenizerJSON(file)
        let pipeline = try TokenizerPipeline(parts)
        var list: TokenList
        var scores: [Double] = []
        if pipeline.algorithm == .unigram {
            (list, scores) = try parts.pieces()
        } else {
            list = try TokenList(file, at: parts.vocabularyOffset)
        }
        if pipeline.hasByteTokens { list.recogniseBytes() }
        try list.add(parts.addedTokens, file)
        scores += [Double](repeating: 0, count: pipeline.algorithm == .unigram ? list.count - scores.count : 0)
        let unknownID = try parts.unknownID(list)
        // Scores are of pieces that merge; signs of the model's own do not.
        if let unknownID, list.types[Int(unknownID)] == .normal { list.setType(Int(unknownID), .unknown) }

        let around = try parts.tokensAround()
        func id(_ text: String?) -> Int32? { text.flatMap(list.id) }
        let bosID = id(settings.bosToken) ?? id(around.before)
        let eosID = id(settings.eosToken) ?? id(around.after)
        self.init(
            algorithm: pipeline.algorithm, tokens: list.strings, types: list.types,
            merges: pipeline.algorithm == .unigram ? [] : try parts.merges(), scores: scores, roundsSums: false,
            preTokenizer: pipeline.preTokenizer?.rawValue ?? "", prefersWholePieces: pipeline.prefersWholePieces,
            spaces: pipeline.spaces, fusesUnknown: pipeline.fusesUnknown, bosID: bosID, eosID: eosID,
            unknownID: unknownID, paddingID: id(settings.paddingToken),
            addsBOS: settings.addsBOS ?? (around.before != nil && id(around.before) == bosID),
            addsEOS: settings.addsEOS ?? (around.after != nil && id(around.after) == eosID))
    }
}

/// The parts of a tokenizer.json: small ones in memory, vocabulary and merges as places in the file.
struct TokenizerJSON {
    let file: FileBytes
    private(set) var normalizer = JSONValue.null
    private(set) var preTokenizer = JSONValue.null
    private(set) var postProcessor = JSONValue.null
    /// The members of `model` but for vocabulary and merges.
    private(set) var model: [String: JSONValue] = [:]
    private(set) var addedTokens: [TokenizerSettings.AddedToken] = []
    private(set) var vocabularyOffset = 0
    private var mergesOffset: Int?

    init(_ file: FileBytes) throws(TokenizerFileError) {
        self.file = file
        do {
            try read()
        } catch let error as JSONError {
            throw TokenizerFileError(.malformed, file, "\(error)")
        } catch let error as TokenizerFileError {
            throw error
        } catch {
            preconditionFailure("reading throws nothing else: \(error)")
        }
        guard vocabularyOffset > 0 else { throw TokenizerFileError(.malformed, file, "there is no model.vocab") }
    }

    private mutating func read() throws {
        var reader = JSONReader(file.bytes)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "normalizer": normalizer = try reader.value()
            case "pre_tokenizer": preTokenizer = try reader.value()
            case "post_processor": postProcessor = try reader.value()
            case "added_tokens": try readAddedTokens(try reader.value())
            case "model": try readModel(&reader)
            // How ids become text follows from the vocabulary; truncation and padding are the caller's.
            default: try reader.skip()
            }
        }
        try reader.end()
    }

    private mutating func readModel(_ reader: inout JSONReader) throws {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "vocab":
                vocabularyOffset = reader.offset
                try reader.skip()
            case "merges":
                mergesOffset = reader.offset
                try reader.skip()
            default: model[key] = try reader.value()
            }
        }
    }

    private mutating func readAddedTokens(_ value: JSONValue) throws(TokenizerFileError) {
        for token in value.array ?? [] {
            guard let id = token["id"]?.integer, let text = token["content"]?.string else {
                throw TokenizerFileError(.malformed, file, "an added token lacks its id or content")
            }
            for flag in ["lstrip", "rstrip", "single_word"] where token[flag]?.bool == true {
                throw TokenizerFileError(.unsupported, file, "the added token '\(text)' has \(flag)")
            }
            addedTokens.append(.init(id: id, text: text, isSpecial: token["special"]?.bool ?? false))
        }
    }

    /// The merges, visited in the file: strings of two tokens with a space between, or arrays of two.
    func merges() throws(TokenizerFileError) -> ByteStrings {
        guard let mergesOffset else { throw TokenizerFileError(.malformed, file, "there is no model.merges") }
        let file = file
        do {
            var count = 0
            var reader = JSONReader(file.bytes, at: mergesOffset)
            try reader.beginArray()
            var text: [UInt8] = []
            while try reader.nextElement() {
                try Self.readMerge(&reader, &text)
                count += 1
            }
            return ByteStrings(count: count) { visit in
                // What has been read once is read again without failing.
                var reader = JSONReader(file.bytes, at: mergesOffset)
                var text: [UInt8] = []
                guard (try? reader.beginArray()) != nil else { return }
                while (try? reader.nextElement()) == true, (try? Self.readMerge(&reader, &text)) != nil {
                    guard text.withUnsafeBufferPointer(visit) else { return }
                }
            }
        } catch {
            throw TokenizerFileError(.malformed, file, "\(error)")
        }
    }

    private static func readMerge(_ reader: inout JSONReader, _ text: inout [UInt8]) throws(JSONError) {
        guard try reader.kind() == .array else { return try reader.string(into: &text) }
        let start = reader.offset
        var parts: [[UInt8]] = []
        try reader.beginArray()
        while try reader.nextElement() {
            var part: [UInt8] = []
            try reader.string(into: &part)
            parts.append(part)
        }
        guard parts.count == 2 else { throw JSONError(offset: start, problem: "a merge is not of two tokens") }
        text = parts[0] + [0x20] + parts[1]
    }

    /// The pieces of a unigram model: arrays of text and score, in the order of their ids.
    func pieces() throws(TokenizerFileError) -> (TokenList, [Double]) {
        var list = TokenList()
        var scores: [Double] = []
        do {
            var reader = JSONReader(file.bytes, at: vocabularyOffset)
            var text: [UInt8] = []
            try reader.beginArray()
            while try reader.nextElement() {
                try reader.beginArray()
                let start = reader.offset
                guard try reader.nextElement() else { throw JSONError(offset: start, problem: "a piece is empty") }
                try reader.string(into: &text)
                guard try reader.nextElement() else { throw JSONError(offset: start, problem: "a piece has no score") }
                scores.append(try reader.number())
                guard try !reader.nextElement(), list.set(list.count, text, .normal) else {
                    throw JSONError(offset: start, problem: "a piece has more than text and score")
                }
            }
        } catch let error as JSONError {
            throw TokenizerFileError(.malformed, file, "\(error)")
        } catch {
            preconditionFailure("reading throws nothing else: \(error)")
        }
        return (list, scores)
    }

    /// The token for what has none.
    func unknownID(_ list: TokenList) throws(TokenizerFileError) -> Int32? {
        if let id = model["unk_id"]?.integer {
            guard list.types.indices.contains(id) else {
                throw TokenizerFileError(.malformed, file, "model.unk_id is \(id), which is no token")
            }
            return Int32(id)
        }
        guard let text = model["unk_token"]?.string else { return nil }
        guard let id = list.id(of: text) else {
            throw TokenizerFileError(.malformed, file, "model.unk_token is '\(text)', which is no token")
        }
        return id
    }

    /// The tokens that the post-processor puts before and after a text.
    func tokensAround() throws(TokenizerFileError) -> (before: String?, after: String?) {
        var before: [String] = []
        var after: [String] = []
        for step in TokenizerPipeline.steps(postProcessor, members: "processors") {
            switch step["type"]?.string {
            case "ByteLevel": break
            case "TemplateProcessing":
                var isAfter = false
                for part in step["single"]?.array ?? [] {
                    if part["Sequence"] != nil {
                        isAfter = true
                    } else if let text = part["SpecialToken"]?["id"]?.string {
                        if isAfter { after.append(text) } else { before.append(text) }
                    }
                }
            case let type:
                throw TokenizerFileError(.unsupported, file, "the post-processor is '\(type ?? "")'")
            }
        }
        guard before.count <= 1, after.count <= 1 else {
            throw TokenizerFileError(.unsupported, file, "several tokens go before or after a text")
        }
        return (before.first, after.first)
    }
}
