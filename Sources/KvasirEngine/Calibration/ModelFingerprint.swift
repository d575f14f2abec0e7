internal import Crypto
internal import KvasirWeights

/// What tells one model from another, without reading all of it.
enum ModelFingerprint {
    /// Bytes of each end of a tensor that count.
    private static let sample = 256

    /// SHA-256 over every tensor's name, type and shape and over both ends of its bytes, in hexadecimal.
    ///
    /// - Throws: `WeightError` if a tensor cannot be had.
    static func of(_ source: any WeightSource) throws -> String {
        var hash = SHA256()
        for name in source.tensorNames.sorted() {
            let tensor = try source.tensor(named: name)
            hash.update(data: Array("\(name) \(tensor.type) \(tensor.shape)\n".utf8))
            tensor.withUnsafeBytes { bytes in
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes.prefix(sample)))
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes.suffix(sample)))
            }
        }
        return hash.finalize().map { byte in String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }.joined()
    }
}
