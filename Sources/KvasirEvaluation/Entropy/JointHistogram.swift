internal import Foundation

/// How often the bins of four neighbouring channels occur, together and alone.
///
/// A channel's bins have one width, from its least value to its greatest; a channel that never changes has one bin.
struct JointHistogram {
    /// Tokens.
    let count: Int
    /// Occurrences of every bin of each channel.
    let marginals: [[UInt32]]
    /// Occurrences of every combination of bins of the first 1, 2, 3 and 4 channels.
    let joints: [[UInt32]]

    /// Counts.
    ///
    /// - Parameters:
    ///   - values: tokens x width.
    ///   - first: the first of the four channels.
    init(_ values: [Float], width: Int, first: Int, bins: Int) {
        let channels = EntropyEvaluation.channels
        count = values.count / width
        var low = [Float](repeating: .infinity, count: channels)
        var high = [Float](repeating: -.infinity, count: channels)
        for row in 0..<count {
            for channel in 0..<channels {
                let value = values[row * width + first + channel]
                low[channel] = min(low[channel], value)
                high[channel] = max(high[channel], value)
            }
        }
        var marginals = [[UInt32]](repeating: [UInt32](repeating: 0, count: bins), count: channels)
        var joints: [[UInt32]] = []
        for _ in 0..<channels {
            joints.append([UInt32](repeating: 0, count: (joints.last?.count ?? 1) * bins))
        }
        let scales = (0..<channels).map { channel in
            high[channel] > low[channel] ? Double(bins) / (Double(high[channel]) - Double(low[channel])) : 0
        }
        for row in 0..<count {
            var cell = 0
            for channel in 0..<channels {
                let distance = Double(values[row * width + first + channel]) - Double(low[channel])
                let bin = min(Int(distance * scales[channel]), bins - 1)
                marginals[channel][bin] += 1
                cell = cell * bins + bin
                joints[channel][cell] += 1
            }
        }
        self.marginals = marginals
        self.joints = joints
    }

    /// The entropy of observed frequencies, in bits, and by how much it is too low on average (Miller and Madow, 1955): half
    /// a nat per occupied bin but one, for each observation.
    static func entropy(_ counts: [UInt32], of total: Int) -> (bits: Double, correction: Double) {
        guard total > 0 else { return (0, 0) }
        var (sum, occupied) = (0.0, 0)
        for count in counts where count > 0 {
            sum += Double(count) * log2(Double(count))
            occupied += 1
        }
        // Rounding must not make it negative.
        let bits = max(log2(Double(total)) - sum / Double(total), 0)
        return (bits, Double(occupied - 1) / (2 * Double(total) * log(2)))
    }
}
