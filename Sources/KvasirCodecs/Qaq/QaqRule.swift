internal import Foundation

/// How many bits a token needs, so that the error of attention stays within a target.
///
/// A midpoint quantizer with cells of width w errs evenly within half of it, with a deviation of w / (2 sqrt 3).
///
/// Source: Dong et al., "QAQ: Quality Adaptive Quantization for LLM KV Cache" (arXiv:2403.04643), section 3, and the
/// authors' program for `Variant.code`.
struct QaqRule: Sendable {
    let parameters: QaqParameters

    /// Bits of a key.
    ///
    /// - Parameters:
    ///   - range: of its values without outliers.
    ///   - queryNorm: the mean square that a product with a key's error is summed with: the squared length of queries
    ///     times the factor of scores.
    ///   - tokens: in the context, at least 2.
    func keyBits(range: Double, queryNorm: Double, tokens: Int) -> Int {
        guard range > 0 else { return 0 }
        let length = Double(min(tokens, parameters.keyContext ?? tokens))
        let spread = log(length * length * length / (length - 1) * parameters.keyTarget * parameters.keyTarget + 1)
        // The variance that the keys' errors may have.
        return bits(range: range, deviation: (spread / queryNorm).squareRoot())
    }

    /// Bits of a value.
    ///
    /// - Parameters:
    ///   - range: of its values without outliers.
    ///   - weight: the attention it will get.
    ///   - tokens: in the context.
    func valueBits(range: Double, weight: Double, tokens: Int) -> Int {
        guard range > 0 else { return 0 }
        return bits(range: range, deviation: parameters.valueTarget / (Double(tokens).squareRoot() * weight))
    }

    /// - Parameter deviation: of the errors, infinite where any will do.
    private func bits(range: Double, deviation: Double) -> Int {
        let width = deviation * 12.squareRoot()
        let cells =
            switch parameters.variant {
            case .paper: range / width
            case .code: range / (2 * width) + 1
            }
        guard cells > 0 else { return parameters.leastBits }
        guard cells.isFinite else { return parameters.mostBits }
        // ceil(log2(cells)), exactly.
        let exponent = Int(cells.exponent)
        let bits = cells.significand == 1 ? exponent : exponent + 1
        return min(max(bits, parameters.leastBits), parameters.mostBits)
    }
}
