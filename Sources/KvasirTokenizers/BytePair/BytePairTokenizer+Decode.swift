extension BytePairTokenizer {
    /// The bytes that ids stand for; ids outside the vocabulary stand for none, as in the reference library.
    public func decodeBytes(_ ids: some Sequence<Int32>, skipSpecial: Bool = true) -> [UInt8] {
        var bytes: [UInt8] = []
        for id in ids where !(skipSpecial && isSpecial(id)) {
            if let token = tokenBytes(id) { bytes.append(contentsOf: token) }
        }
        return bytes
    }

    /// The text that ids stand for; what is not UTF-8 becomes the replacement character U+FFFD.
    public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool = true) -> String {
        String(decoding: decodeBytes(ids, skipSpecial: skipSpecial), as: UTF8.self)
    }
}
