extension BytePairTokenizer {
    /// The token ids of bytes, which need not be UTF-8.
    ///
    /// A byte that is no part of well-formed UTF-8 is cut like a sign that is neither letter, number nor white space, and
    /// encoded as itself.
    public func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
        var merger = BytePairMerger(merges: merges)
        return encode(bytes, addSpecial: addSpecial, parseSpecial: parseSpecial, merger: &merger)
    }

    /// As above, with a merger that the caller keeps.
    func encode(_ bytes: [UInt8], addSpecial: Bool, parseSpecial: Bool, merger: inout BytePairMerger) -> [Int32] {
        var ids: [Int32] = []
        ids.reserveCapacity(bytes.count / 4 + 2)
        if addSpecial, addsBOS, let bosID { ids.append(bosID) }
        let text = ClassifiedText(bytes)
        let trie = parseSpecial ? vocabulary.specialTokens : vocabulary.userDefinedTokens
        var start = 0
        while let match = trie.firstMatch(in: bytes, from: start) {
            appendTokens(of: text, in: start..<match.range.lowerBound, to: &ids, merger: &merger)
            ids.append(match.id)
            start = match.range.upperBound
        }
        appendTokens(of: text, in: start..<bytes.count, to: &ids, merger: &merger)
        if addSpecial, addsEOS, let eosID { ids.append(eosID) }
        return ids
    }

    private func appendTokens(
        of text: ClassifiedText, in range: Range<Int>, to ids: inout [Int32], merger: inout BytePairMerger
    ) {
        preTokenizer.forEachPiece(of: text, in: range) { piece in
            if prefersWholePieces, let id = vocabulary.tokens.coded(text.bytes[piece]) {
                return ids.append(id)
            }
            if bytesWithoutToken.isEmpty {
                merger.merge(text.bytes[piece].lazy.map { byteTokens[Int($0)] }, into: &ids)
            } else {
                // Left out before merging, so that their neighbours merge across them: so does the reference library.
                merger.merge(text.bytes[piece].lazy.map { byteTokens[Int($0)] }.filter { $0 >= 0 }, into: &ids)
            }
        }
    }
}
