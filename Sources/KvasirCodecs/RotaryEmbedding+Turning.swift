internal import Foundation
public import KvasirNumerics

extension RotaryEmbedding {
    /// Turns the keys of consecutive tokens, in place; angles in double precision.
    ///
    /// - Parameters:
    ///   - keys: tokens x KV heads x head size. A gradient with respect to keys before rotary embedding becomes that with
    ///     respect to keys after it.
    ///   - headSize: channels of a head.
    ///   - position: that of the first token.
    public func turn(_ keys: FloatMatrix, headSize: Int, from position: Int = 0) {
        for row in 0..<keys.rows {
            let vector = keys.row(row)
            for (pair, frequency) in frequencies.enumerated() {
                let angle = frequency * Double(position + row)
                let (cosine, sine) = (cos(angle), sin(angle))
                let (first, second) = channels(ofPair: pair)
                for head in stride(from: 0, to: keys.columns, by: headSize) {
                    let (x, y) = (Double(vector[head + first]), Double(vector[head + second]))
                    vector[head + first] = Float(x * cosine - y * sine)
                    vector[head + second] = Float(x * sine + y * cosine)
                }
            }
        }
    }
}
