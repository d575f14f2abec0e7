internal import CKvasir
internal import KvasirNumerics

/// Points to be clustered, with their weights: one after the other, and in the tiles that the kernels read.
struct ClusterPoints: ~Copyable {
    let count: Int
    let channels: Int
    /// [point][channel].
    let rows: AlignedBuffer<Float>
    /// [tile of 16 points][channel][point], zero beyond the last point.
    let tiles: AlignedBuffer<Float>
    let weights: AlignedBuffer<Float>

    /// Gathers points of `channels` channels.
    ///
    /// - Parameters:
    ///   - value: a channel of a point.
    ///   - weight: of a point.
    init(count: Int, channels: Int, value: (Int, Int) -> Float, weight: (Int) -> Float) {
        let lanes = Int(KV_KMEANS_TILE)
        self.count = count
        self.channels = channels
        rows = AlignedBuffer(zeroed: count * channels)
        tiles = AlignedBuffer(zeroed: (count + lanes - 1) / lanes * lanes * channels)
        weights = AlignedBuffer(zeroed: count)
        for point in 0..<count {
            weights.pointer[point] = weight(point)
            let tile = tiles.pointer + point / lanes * channels * lanes + point % lanes
            for channel in 0..<channels {
                let value = value(point, channel)
                rows.pointer[point * channels + channel] = value
                tile[channel * lanes] = value
            }
        }
    }

    var tileCount: Int { (count + Int(KV_KMEANS_TILE) - 1) / Int(KV_KMEANS_TILE) }
}
