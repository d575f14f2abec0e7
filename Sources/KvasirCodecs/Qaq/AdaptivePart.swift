internal import CKvasir
internal import KvasirNumerics

/// What may become of bits once they were taken.
public enum AdaptiveMode: String, Sendable, Hashable, CaseIterable {
    /// Bits only fall: what is dropped is gone.
    case monotone
    /// Planes of decided pages lie in a temporary file, from which dropped ones come back.
    case spill
    /// A copy in f16 is kept in memory, as in the paper, from which dropped ones come back.
    case full
}

/// A part of a page whose tokens have different numbers of bits, which follow the attention they get.
///
/// What has a fixed size lies in the page. The rest, the bit-planes, is an allocation of its own, the extent, so that it
/// can become smaller. The cache decides about a page's bits at multiples of `PageGeometry.tokens` tokens of context.
public struct AdaptivePart: Sendable {
    /// What may become of dropped bits.
    public var mode: AdaptiveMode { parameters.mode }
    /// The last rows of attention before a decision that count; the last tokens, one fewer, are not decided about yet.
    public var window: Int { parameters.window }
    /// The most bits of a token.
    public var mostBits: Int { parameters.mostBits }
    /// Whether decisions depend on attention weights.
    public let followsAttention: Bool
    /// Parts of a token's vector that have bits of their own.
    public var units: Int { Int(format.units) }
    /// KV heads of a unit.
    public var headsPerUnit: Int { Int(format.heads_per_unit) }
    /// Values of a unit.
    public var unitSize: Int { Int(format.unit_size) }
    /// Values of a unit that are kept as they are.
    public var outliers: Int { Int(format.outliers) }
    /// Bytes of a part that lie in the page.
    public var fixedBytes: Int { Int(format.fixed_bytes) }
    /// Bytes of an extent in which every token has all bits.
    public var extentBytes: Int { Int(format.planes_bytes) }
    /// Bytes of the f16 copy of a part's tokens; 0 but in `AdaptiveMode.full`.
    public var copyBytes: Int {
        mode == .full ? PageGeometry.tokens * units * unitSize * MemoryLayout<UInt16>.stride : 0
    }

    /// Whether bits of this part are ever decided about.
    public var isDecided: Bool { parameters.leastBits < parameters.mostBits && (followsAttention || norms != nil) }

    /// Whether its bits would be decided about if it were known how long queries are.
    public var needsQueryNorms: Bool {
        !followsAttention && norms == nil && parameters.leastBits < parameters.mostBits
    }

    let format: kv_qaq_format
    let parameters: QaqParameters
    /// The squared length of queries by unit, for keys; nil if it is not known, so that keys keep all bits.
    let norms: [Double]?

    /// - Parameters:
    ///   - norms: by KV head, for keys.
    ///   - followsAttention: true for values.
    init(_ parameters: QaqParameters, shape: HeadShape, norms: [Double]?, followsAttention: Bool) {
        var format = kv_qaq_format()
        format.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        format.heads_per_unit = parameters.hasHeadUnits(ofKeys: !followsAttention) ? 1 : UInt32(shape.kvHeads)
        format.max_bits = UInt32(parameters.mostBits)
        let counts = parameters.outlierCounts(unitSize: Int(format.heads_per_unit) * shape.headSize)
        format.low_outliers = UInt32(counts.low)
        format.high_outliers = UInt32(counts.high)
        kv_qaq_format_resolve(&format)
        self.format = format
        self.parameters = parameters
        self.norms = norms
        self.followsAttention = followsAttention
    }

    var storage: PartStorage { PartStorage(codes: extentBytes, scales: fixedBytes) }

    // MARK: Memory

    /// Makes a part without tokens refer to its extent, and to its copy if the mode has one.
    public func attach(
        _ extent: UnsafeMutableRawPointer, copy: UnsafeMutableRawPointer?, to part: UnsafeMutableRawPointer
    ) {
        let header = part.assumingMemoryBound(to: kv_qaq_header.self)
        header.pointee.planes = extent.assumingMemoryBound(to: UInt8.self)
        header.pointee.copies = copy
    }

    /// Makes a part refer to its extent, which has moved.
    public func move(to extent: UnsafeMutableRawPointer, _ part: UnsafeMutableRawPointer) {
        part.assumingMemoryBound(to: kv_qaq_header.self).pointee.planes = extent.assumingMemoryBound(to: UInt8.self)
    }

    // MARK: Decisions

    /// How many bits each token of a page has: `units` x `PageGeometry.tokens`.
    public func readBits(of part: UnsafeRawPointer, into bits: UnsafeMutablePointer<UInt8>) {
        withUnsafePointer(to: format) { format in
            for unit in 0..<units {
                for slot in 0..<PageGeometry.tokens {
                    bits[unit * PageGeometry.tokens + slot] = UInt8(kv_qaq_bits(format, part, unit, slot))
                }
            }
        }
    }

    /// What was decided about a page.
    public struct Decision: Sendable {
        /// Units of tokens whose bits fall.
        public var lowered = 0
        /// Units of tokens whose bits rise.
        public var raised = 0
    }

    /// Decides how many bits each token of a full page is to have.
    ///
    /// - Parameters:
    ///   - part: the page's part.
    ///   - context: tokens of the sequence, a multiple of `PageGeometry.tokens`.
    ///   - page: number of the page.
    ///   - weights: the largest weight of late that the page's tokens got, as fp16, `stride` apart for each unit; nil for
    ///     keys.
    ///   - current: the bits they have.
    ///   - bits: the bits they are to have.
    /// - Returns: how many differ.
    public func decide(
        _ part: UnsafeRawPointer, context: Int, page: Int, weights: UnsafePointer<UInt16>?, stride: Int,
        current: UnsafePointer<UInt8>, into bits: UnsafeMutablePointer<UInt8>
    ) -> Decision {
        let rule = QaqRule(parameters: parameters)
        // The rows of the newest tokens are fewer than the window.
        let first = page * PageGeometry.tokens
        let decided = min(PageGeometry.tokens, context - (window - 1) - first)
        var decision = Decision()
        for unit in 0..<units {
            for slot in 0..<PageGeometry.tokens {
                let place = unit * PageGeometry.tokens + slot
                bits[place] = current[place]
                guard slot < decided else { continue }
                let range = withUnsafePointer(to: format) { Double(kv_qaq_range($0, part, unit, slot)) }
                let wanted: Int
                if let weights {
                    let weight = Double(kv_f16_to_f32(weights[unit * stride + slot]))
                    wanted = rule.valueBits(range: range, weight: weight, tokens: context)
                } else if let norms {
                    wanted = rule.keyBits(range: range, queryNorm: norms[unit], tokens: context)
                } else {
                    continue
                }
                let change = wanted - Int(current[place])
                if change <= -parameters.hysteresis {
                    decision.lowered += 1
                } else if change >= parameters.hysteresis, mode != .monotone {
                    decision.raised += 1
                } else {
                    continue
                }
                bits[place] = UInt8(wanted)
            }
        }
        return decision
    }

    /// Bytes of an extent in which tokens have `bits` bits.
    public func extentBytes(bits: UnsafePointer<UInt8>) -> Int {
        withUnsafePointer(to: format) { kv_qaq_planes_bytes($0, bits) }
    }

    /// Drops planes of a part, so that its tokens have `bits` bits, at most those they had; the extent's start is then used.
    public func drop(to bits: UnsafePointer<UInt8>, of part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: format) { kv_qaq_drop($0, bits, part) }
    }

    /// Fills a new extent with the planes that `bits` asks for and makes the part refer to it.
    ///
    /// - Parameter all: planes of all bits, `extentBytes` of them.
    public func gather(
        _ bits: UnsafePointer<UInt8>, from all: UnsafeRawPointer, into extent: UnsafeMutableRawPointer,
        part: UnsafeMutableRawPointer
    ) {
        withUnsafePointer(to: format) {
            kv_qaq_gather(
                $0, bits, all.assumingMemoryBound(to: UInt8.self), extent.assumingMemoryBound(to: UInt8.self), part)
        }
    }

    /// Finds the planes of all bits again from the f16 copy.
    public func planes(ofCopy copy: UnsafeRawPointer, part: UnsafeRawPointer, into all: UnsafeMutableRawPointer) {
        withUnsafePointer(to: format) {
            kv_qaq_planes_of_copies(
                $0, copy.assumingMemoryBound(to: UInt16.self), part, all.assumingMemoryBound(to: UInt8.self))
        }
    }

    // MARK: Accounting

    /// Bits for each value of tokens with `meanBits` bits: as they lie in memory, every overhead counted.
    public func bitsPerValue(meanBits: Double) -> Double {
        meanBits + Double(fixedBytes * 8) / Double(PageGeometry.tokens * units * unitSize)
            + Double(copyBytes * 8) / Double(PageGeometry.tokens * units * unitSize)
    }

    /// Bits for each value as the paper counts them: codes, outliers and two numbers of 16 bits for each unit; neither
    /// positions nor the numbers of bits nor a copy.
    public func paperBitsPerValue(meanBits: Double) -> Double {
        let share = parameters.outliers / 100
        return meanBits * (1 - share) + 16 * share + 32 / Double(unitSize)
    }

    /// The share of values that are kept as they are.
    public var outlierShare: Double { Double(outliers) / Double(unitSize) }
}
