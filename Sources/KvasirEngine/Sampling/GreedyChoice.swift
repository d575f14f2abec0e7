/// The largest logit and the lowest id that has it; NaN and minus infinity are never chosen.
struct GreedyChoice: Equatable {
    let logit: Float
    let id: Int

    /// Returns `nil` if every logit is NaN or minus infinity.
    ///
    /// - Complexity: O(n), one pass.
    init?(_ logits: UnsafeBufferPointer<Float>) {
        typealias Lanes = SIMD8<Float>
        typealias Indices = SIMD8<Int32>
        let width = Lanes.scalarCount
        let whole = logits.count - logits.count % width
        let bytes = UnsafeRawBufferPointer(logits)
        var best = Lanes(repeating: -.infinity)
        var bestIndices = Indices(repeating: -1)
        var indices = Indices(0, 1, 2, 3, 4, 5, 6, 7)
        var start = 0
        while start < whole {
            let lanes = bytes.loadUnaligned(fromByteOffset: start &* MemoryLayout<Float>.stride, as: Lanes.self)
            // Strictly greater: the first of equals stays, and NaN never enters.
            let isBetter = lanes .> best
            best.replace(with: lanes, where: isBetter)
            bestIndices.replace(with: indices, where: isBetter)
            indices &+= Int32(width)
            start &+= width
        }
        var logit = -Float.infinity
        var id = -1
        for lane in 0..<width where bestIndices[lane] >= 0 {
            let index = Int(bestIndices[lane])
            if best[lane] > logit || (best[lane] == logit && index < id) { (logit, id) = (best[lane], index) }
        }
        for index in whole..<logits.count where logits[index] > logit { (logit, id) = (logits[index], index) }
        guard id >= 0 else { return nil }
        self.logit = logit
        self.id = id
    }
}
