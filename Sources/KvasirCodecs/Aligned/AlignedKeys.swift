internal import CKvasir

/// Keys in planes, channel by channel.
struct AlignedKeys: SelectiveKeyCodec {
    let layout: AlignedLayout

    var shape: HeadShape { layout.shape }
    var storage: PartStorage { layout.storage }
    var meter: ReadMeter { layout.meter }

    var queryBytes: Int { withUnsafePointer(to: layout.format) { kv_aligned_query_bytes($0) } }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: layout.format) {
            kv_aligned_encode_keys($0, vector, position % PageGeometry.tokens, part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: layout.format) {
            kv_aligned_decode_keys($0, part, position % PageGeometry.tokens, vector)
        }
    }

    func prepare(query: UnsafePointer<Float>, factor: Float, into prepared: UnsafeMutableRawPointer) {
        withUnsafePointer(to: layout.format) { kv_aligned_prepare($0, query, factor, prepared) }
    }

    func choose(_ context: TokenRun, _ rows: QueryRows, prepared: UnsafeMutableRawPointer) {
        withUnsafePointer(to: context.kernelRun) { run in
            withUnsafePointer(to: layout.format) { format in
                meter.counting {
                    kv_aligned_choose_keys(format, run, context.position, rows.kernelTile, prepared, $0)
                }
            }
        }
    }

    func score(
        _ run: TokenRun, head: Int, queries: UnsafeRawPointer, rows: Int, into scores: UnsafeMutablePointer<Float>,
        stride: Int
    ) {
        withUnsafePointer(to: run.kernelRun) { kernelRun in
            withUnsafePointer(to: layout.format) {
                layout.kernels.pointee.score($0, kernelRun, run.position, UInt32(head), queries, rows, scores, stride)
            }
        }
    }
}
