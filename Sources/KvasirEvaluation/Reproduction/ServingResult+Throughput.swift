extension ThroughputReport.Cell {
    /// The row of a batch, for reports of throughput.
    public init(_ result: ServingResult) {
        test = "generation of \(result.tokens) tokens by \(result.batch) sequences after"
        tokens = result.length
        sequences = result.batch
        cache = result.cache ?? "no cache"
        cacheBytes = result.cacheBytes
        median = result.tokensPerSecond
        minimum = result.tokensPerSecond
        maximum = result.tokensPerSecond
        (bitsPerValueK, bitsPerValueV) = (nil, nil)
        (bitsReadPerValueK, bitsReadPerValueV) = (nil, nil)
        cacheBandwidth = nil
        limit = nil
        limitShare = nil
        besideNeighbours = nil
        keptShare = nil
        peak = result.peakBytes.map { bytes in
            ThroughputReport.Peak(PeakMemory(bytes: bytes, isOfMeasurementAlone: result.isPeakOfCell))
        }
    }
}
