internal import CKvasir

/// Values in planes, token by token.
struct AlignedValues: SelectiveValueCodec {
    let layout: AlignedLayout

    var shape: HeadShape { layout.shape }
    var storage: PartStorage { layout.storage }
    var meter: ReadMeter { layout.meter }

    var choiceBytes: Int { MemoryLayout<kv_aligned_choice>.stride }

    func encode(_ vector: UnsafePointer<Float>, position: Int, into part: UnsafeMutableRawPointer) {
        withUnsafePointer(to: layout.format) {
            kv_aligned_encode_values($0, vector, position % PageGeometry.tokens, part)
        }
    }

    func decode(position: Int, of part: UnsafeRawPointer, into vector: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: layout.format) {
            kv_aligned_decode_values($0, part, position % PageGeometry.tokens, vector)
        }
    }

    func choose(
        _ context: TokenRun, _ rows: QueryRows, weights: UnsafePointer<Float>, stride: Int,
        totals: UnsafePointer<Float>, into choices: UnsafeMutableRawPointer
    ) {
        var estimated: UInt64 = 0
        withUnsafePointer(to: context.kernelRun) { run in
            withUnsafePointer(to: layout.format) {
                layout.kernels.pointee.choose_values(
                    $0, run, context.position, rows.kernelTile, weights, stride, totals,
                    choices.assumingMemoryBound(to: kv_aligned_choice.self), &estimated)
            }
        }
        meter.add(estimatedBits: Int(estimated) * meter.widths[0])
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        mix(run, head: head, weights: weights, rows: rows, stride: stride, choices: nil, into: out, counts: nil)
    }

    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        choices: UnsafeRawPointer, into out: UnsafeMutablePointer<Float>
    ) {
        meter.counting {
            mix(
                run, head: head, weights: weights, rows: rows, stride: stride,
                choices: choices.assumingMemoryBound(to: kv_aligned_choice.self), into: out, counts: $0)
        }
    }

    private func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        choices: UnsafePointer<kv_aligned_choice>?, into out: UnsafeMutablePointer<Float>,
        counts: UnsafeMutablePointer<UInt64>?
    ) {
        withUnsafePointer(to: run.kernelRun) { kernelRun in
            withUnsafePointer(to: layout.format) {
                layout.kernels.pointee.mix(
                    $0, kernelRun, run.position, UInt32(head), weights, rows, stride, choices, out, counts)
            }
        }
    }
}
