internal import KvasirJSON

extension TokenList {
    /// Reads an object of texts and ids, as in vocab.json and in `model.vocab` of a tokenizer.json.
    init(_ file: FileBytes, at offset: Int = 0) throws(TokenizerFileError) {
        self.init()
        var reader = JSONReader(file.bytes, at: offset)
        var text: [UInt8] = []
        do {
            try reader.beginObject()
            while try reader.nextKey(into: &text) {
                let place = reader.offset
                let id = try reader.integer()
                guard set(id, text, .normal) else {
                    throw JSONError(offset: place, problem: "the id \(id) is impossible")
                }
            }
        } catch let error as JSONError {
            throw TokenizerFileError(.malformed, file, "\(error)")
        } catch {
            preconditionFailure("reading throws nothing else: \(error)")
        }
    }

    /// Sets tokens that were added to a vocabulary, over those it has.
    mutating func add(_ tokens: [TokenizerSettings.AddedToken], _ file: FileBytes) throws(TokenizerFileError) {
        for token in tokens {
            guard set(token.id, token.text.utf8, token.isSpecial ? .control : .userDefined) else {
                throw TokenizerFileError(.malformed, file, "the id \(token.id) of an added token is impossible")
            }
        }
    }
}

extension TokenizerVocabulary {
    /// A byte-level BPE vocabulary of GPT-2's files: vocab.json and merges.txt.
    ///
    /// - Parameters:
    ///   - vocabulary: an object of texts and ids.
    ///   - merges: a merge a line, most urgent first; a first line that begins with `#version` is none.
    ///   - settings: what the folder says besides; its tokenizer's class decides the pre-tokenizer.
    /// - Throws: `TokenizerFileError`.
    public init(
        vocabularyJSON vocabulary: FileBytes, merges: FileBytes, settings: TokenizerSettings
    ) throws(TokenizerFileError) {
        var list = try TokenList(vocabulary)
        for text in settings.specialTexts {
            if let id = list.id(of: text) { list.setType(Int(id), .control) }
        }
        try list.add(settings.addedTokens, vocabulary)
        let splitters = ["GPT2Tokenizer": PreTokenizer.gpt2, "OPTTokenizer": .gpt2, "Qwen2Tokenizer": .qwen2]
        guard let preTokenizer = splitters[settings.tokenizerClass ?? "GPT2Tokenizer"] else {
            throw TokenizerFileError(
                .unsupported, vocabulary, "the tokenizer is a '\(settings.tokenizerClass ?? "")'")
        }
        if settings.prefixesSpace == true {
            throw TokenizerFileError(.unsupported, vocabulary, "the tokenizer wants a space before a text")
        }
        self.init(
            tokens: list.strings, types: list.types, merges: ByteStrings(linesOf: merges),
            preTokenizer: preTokenizer.rawValue, bosID: settings.bosToken.flatMap(list.id),
            eosID: settings.eosToken.flatMap(list.id), unknownID: settings.unknownToken.flatMap(list.id),
            paddingID: settings.paddingToken.flatMap(list.id), addsBOS: settings.addsBOS ?? false,
            addsEOS: settings.addsEOS ?? false)
    }
}

extension ByteStrings {
    /// The lines of a merges.txt, but for its version and empty ones.
    init(linesOf file: FileBytes) {
        let visitLines: @Sendable (Visitor) -> Void = { visit in
            let bytes = file.bytes.bindMemory(to: UInt8.self)
            var start = 0
            while start < bytes.count {
                let newline = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
                var end = newline
                if end > start, bytes[end - 1] == 0x0D { end -= 1 }
                let line = UnsafeBufferPointer(rebasing: bytes[start..<end])
                let isMerge = !line.isEmpty && !(start == 0 && line.starts(with: "#version".utf8))
                if isMerge, !visit(line) { return }
                start = newline + 1
            }
        }
        var count = 0
        visitLines { _ in
            count += 1
            return true
        }
        self.init(count: count, source: visitLines)
    }
}
