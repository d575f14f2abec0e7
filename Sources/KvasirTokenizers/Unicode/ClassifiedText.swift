/// A text's bytes beside the class of the scalar each belongs to.
///
/// One pass over the text does all decoding, so that the pre-tokenizers' scanners compare single bytes. A byte that is
/// no part of well-formed UTF-8 is a unit of its own that is neither letter, number nor white space, like the
/// replacement character the reference library would see in its place; unlike there, the byte itself is kept.
struct ClassifiedText {
    let bytes: [UInt8]
    let classes: [ScalarClass]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let table = ScalarClass.table
        classes = [ScalarClass](unsafeUninitializedCapacity: bytes.count) { classes, count in
            count = bytes.count
            var index = 0
            while index < bytes.count {
                if bytes[index] < 0x80 {
                    classes[index] = table[Int(bytes[index])]
                    index += 1
                } else if let (scalar, length) = UTF8Scanner.scalar(in: bytes, at: index) {
                    let scalarClass = Int(scalar) < table.count ? table[Int(scalar)] : []
                    classes[index] = scalarClass
                    for offset in 1..<length { classes[index + offset] = scalarClass.union(.continuation) }
                    index += length
                } else {
                    classes[index] = []
                    index += 1
                }
            }
        }
    }

    /// The end of the scalar that starts at `index`.
    func endOfScalar(at index: Int, limit: Int) -> Int {
        var end = index + 1
        while end < limit, classes[end].contains(.continuation) { end += 1 }
        return end
    }

    /// The start of the scalar whose last byte is before `end`.
    func startOfScalar(before end: Int) -> Int {
        var start = end - 1
        while classes[start].contains(.continuation) { start -= 1 }
        return start
    }

    /// The end of the run of scalars from `start` that have `scalarClass`.
    func endOfRun(of scalarClass: ScalarClass, from start: Int, limit: Int) -> Int {
        var end = start
        while end < limit, classes[end].contains(scalarClass) { end += 1 }
        return end
    }

    /// The end of the run of scalars from `start` that have none of `excluded`.
    func endOfRun(without excluded: ScalarClass, from start: Int, limit: Int) -> Int {
        var end = start
        while end < limit, classes[end].isDisjoint(with: excluded) { end += 1 }
        return end
    }
}
