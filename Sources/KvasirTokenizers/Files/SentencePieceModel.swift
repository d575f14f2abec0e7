extension TokenizerVocabulary {
    /// The vocabulary of a SentencePiece model (`tokenizer.model`): pieces with scores, BPE or unigram.
    ///
    /// The file is one protobuf message of which some twenty fields matter; they are read by hand, since a library and its
    /// generated code would be many times that. Source: `sentencepiece_model.proto` of SentencePiece.
    ///
    /// - Parameters:
    ///   - file: the message.
    ///   - settings: what a folder says besides.
    /// - Throws: `TokenizerFileError`.
    public init(sentencePieceModel file: FileBytes, settings: TokenizerSettings = .init()) throws(TokenizerFileError) {
        var model = SentencePieceModel()
        try model.read(file)
        var list = model.tokens
        let pieces = list.count
        try list.add(settings.addedTokens.filter { $0.id >= pieces }, file)
        guard model.normalization.isEmpty else {
            throw TokenizerFileError(.unsupported, file, "the text is normalized by a table of characters")
        }
        guard !model.spacesFollow, model.escapesSpaces else {
            throw TokenizerFileError(.unsupported, file, "spaces are treated as the ends of words")
        }
        let algorithm: Algorithm
        switch model.kind {
        case 1: algorithm = .unigram
        case 2: algorithm = .scores
        default: throw TokenizerFileError(.unsupported, file, "the model is of kind \(model.kind)")
        }
        func id(_ number: Int) -> Int32? { number >= 0 && number < pieces ? Int32(number) : nil }
        let scores = model.scores + [Double](repeating: 0, count: list.count - pieces)
        self.init(
            algorithm: algorithm, tokens: list.strings, types: list.types, scores: scores,
            spaces: Spaces(prefix: model.prefixesSpace ? .text : .none, collapses: model.collapsesSpaces),
            bosID: settings.bosToken.flatMap(list.id) ?? id(model.bosID),
            eosID: settings.eosToken.flatMap(list.id) ?? id(model.eosID),
            unknownID: id(model.unknownID), paddingID: settings.paddingToken.flatMap(list.id) ?? id(model.paddingID),
            addsBOS: settings.addsBOS ?? (id(model.bosID) != nil), addsEOS: settings.addsEOS ?? false)
    }
}

/// The fields of a SentencePiece model that matter, with the message's defaults.
private struct SentencePieceModel {
    var tokens = TokenList()
    var scores: [Double] = []
    var kind: UInt64 = 1
    var unknownID = 0
    var bosID = 1
    var eosID = 2
    var paddingID = -1
    var spacesFollow = false
    var normalization = UnsafeRawBufferPointer(start: nil, count: 0)
    var prefixesSpace = true
    var collapsesSpaces = true
    var escapesSpaces = true

    mutating func read(_ file: FileBytes) throws(TokenizerFileError) {
        do {
            var reader = ProtobufReader(file.bytes)
            while let field = try reader.next() {
                switch (field.number, field.value) {
                case (1, .bytes(let piece)): try readPiece(piece)
                case (2, .bytes(let trainer)): try readTrainer(trainer)
                case (3, .bytes(let normalizer)): try readNormalizer(normalizer)
                default: break
                }
            }
        } catch {
            throw TokenizerFileError(.malformed, file, error.problem)
        }
    }

    private mutating func readPiece(_ message: UnsafeRawBufferPointer) throws(ProtobufError) {
        var text = UnsafeRawBufferPointer(start: nil, count: 0)
        var score: Float = 0
        var type = TokenizerVocabulary.TokenType.normal
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .bytes(let bytes)): text = bytes
            case (2, .fixed32(let bits)): score = Float(bitPattern: bits)
            case (3, .varint(let number)):
                guard let known = Int32(exactly: number).flatMap(TokenizerVocabulary.TokenType.init) else {
                    throw ProtobufError(problem: "piece \(tokens.count) is of type \(number)")
                }
                type = known
            default: break
            }
        }
        var bytes = Array(text)
        if type == .userDefined {
            // These are matched in the text, where a space is a space.
            bytes.removeAll()
            _ = Metaspace.decode(text, into: &bytes)
        }
        guard tokens.set(tokens.count, bytes, type) else { throw ProtobufError(problem: "the pieces are too many") }
        scores.append(Double(score))
    }

    private mutating func readTrainer(_ message: UnsafeRawBufferPointer) throws(ProtobufError) {
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            guard case .varint(let value) = field.value else { continue }
            // Negative numbers are written as 64 bits.
            let number = Int(truncatingIfNeeded: Int64(bitPattern: value))
            switch field.number {
            case 3: kind = value
            case 24: spacesFollow = value != 0
            case 40: unknownID = number
            case 41: bosID = number
            case 42: eosID = number
            case 43: paddingID = number
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ message: UnsafeRawBufferPointer) throws(ProtobufError) {
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (2, .bytes(let table)): normalization = table
            case (3, .varint(let value)): prefixesSpace = value != 0
            case (4, .varint(let value)): collapsesSpaces = value != 0
            case (5, .varint(let value)): escapesSpaces = value != 0
            default: break
            }
        }
    }
}
