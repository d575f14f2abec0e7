internal import CKvasir
internal import KvasirNumerics

/// The codebooks of one part as the kernels want them, shared by all its pages.
///
/// Every centroid is there twice, as fp16: side by side with the other channels of its group for decoding, and side by side
/// with the other centroids of its channel for encoding; and half of its squared length.
final class CoupledTables: @unchecked Sendable {  // written by its initialiser only
    /// The layout, with the addresses of the tables.
    let format: kv_coupled_format

    private let rows: AlignedBuffer<UInt16>
    private let columns: AlignedBuffer<UInt16>
    private let halfNorms: AlignedBuffer<Float>

    init(_ codebooks: Codebooks) {
        let (scheme, shape) = (codebooks.scheme, codebooks.shape)
        var format = kv_coupled_format()
        format.heads = kv_heads(kv_heads: UInt32(shape.kvHeads), head_size: UInt32(shape.headSize))
        format.channels = UInt32(scheme.channels)
        format.bits = UInt32(scheme.bits)
        kv_coupled_format_resolve(&format)
        let (count, channels, padded) = (scheme.centroids, scheme.channels, Int(format.padded))
        let groups = shape.kvHeads * Int(format.groups)
        rows = AlignedBuffer(zeroed: groups * count * padded)
        columns = AlignedBuffer(zeroed: groups * count * channels)
        halfNorms = AlignedBuffer(zeroed: groups * count)
        for group in 0..<groups {
            for centroid in 0..<count {
                let index = group * count + centroid
                var square = 0.0
                for channel in 0..<channels {
                    let half = codebooks.centroids[index * channels + channel]
                    rows.pointer[index * padded + channel] = half
                    columns.pointer[(group * channels + channel) * count + centroid] = half
                    let value = Double(kv_f16_to_f32(half))
                    square += value * value
                }
                halfNorms.pointer[index] = Float(square / 2)
            }
        }
        format.rows = UnsafePointer(rows.pointer)
        format.columns = UnsafePointer(columns.pointer)
        format.half_norms = UnsafePointer(halfNorms.pointer)
        self.format = format
    }

    /// What it takes.
    var table: CodecTable {
        CodecTable(of: self, purpose: .codebooks, bytes: rows.byteCount + columns.byteCount + halfNorms.byteCount)
    }

    /// Codes of a page: nothing else lies there.
    var storage: PartStorage { PartStorage(codes: format.part_bytes) }

    func decode(slot: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: format) { kv_coupled_decode($0, part, slot, vector) }
    }
}
