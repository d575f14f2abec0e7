import ArgumentParser
import KernelBenchmarks
import KvasirCodecs

/// The cache whose kernels are timed.
struct CacheOptions: ParsableArguments {
    @Option(help: ArgumentHelp("KV heads.", valueName: "count"))
    var kvHeads = 3

    @Option(help: ArgumentHelp("Channels of a head.", valueName: "count"))
    var headSize = 64

    @Option(help: ArgumentHelp("Query heads that share a KV head.", valueName: "count"))
    var group = 3

    @Option(help: ArgumentHelp("Cached tokens, a multiple of a page's \(PageGeometry.tokens).", valueName: "count"))
    var tokens = 8192

    @Option(help: ArgumentHelp("Layers, taken in turn.", valueName: "count"))
    var layers = 30

    @Option(
        name: .customLong("tile"), parsing: .upToNextOption,
        help: ArgumentHelp("Query tokens that share a pass: 1 is decode, more is prefill.", valueName: "count"))
    var tiles = [1, 32]

    var shape: CacheShape {
        CacheShape(
            heads: HeadShape(kvHeads: kvHeads, headSize: headSize), group: group, tokens: tokens, layers: layers)
    }

    func validate() throws {
        let longest = PageGeometry.longestVector
        guard (1...longest).contains(kvHeads), (1...longest).contains(headSize), kvHeads * headSize <= longest else {
            throw ValidationError(
                "--kv-heads, --head-size: received \(kvHeads), \(headSize); use positive numbers whose product is at "
                    + "most \(longest)")
        }
        try require(group, "--group", in: 1...256)
        try require(tokens, "--tokens", in: PageGeometry.tokens...(1 << 20))
        guard tokens.isMultiple(of: PageGeometry.tokens) else {
            throw ValidationError("--tokens: received \(tokens); use a multiple of \(PageGeometry.tokens)")
        }
        try require(layers, "--layers", in: 1...256)
        for tile in tiles { try require(tile, "--tile", in: 1...256) }
    }
}

/// The linear layers whose kernels are timed.
struct LinearOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Outputs of a layer.", valueName: "count"))
    var weightRows = 576

    @Option(help: ArgumentHelp("Inputs of a layer.", valueName: "count"))
    var weightColumns = 1536

    @Option(help: ArgumentHelp("MiB of weights taken in turn, at least.", valueName: "MiB"))
    var footprint = 96

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Tokens that share a pass.", valueName: "count"))
    var batch = [1, 8, 64]

    var shape: LinearShape {
        LinearShape(rows: weightRows, columns: weightColumns, footprint: footprint << 20)
    }

    func validate() throws {
        try require(weightRows, "--weight-rows", in: 1...(1 << 18))
        try require(weightColumns, "--weight-columns", in: 32...(1 << 16))
        guard weightColumns.isMultiple(of: 32) else {
            throw ValidationError("--weight-columns: received \(weightColumns); use a multiple of 32")
        }
        try require(footprint, "--footprint", in: 1...16384)
        for tokens in batch { try require(tokens, "--batch", in: 1...4096) }
    }
}

private func require(_ value: Int, _ option: String, in range: ClosedRange<Int>) throws {
    guard range.contains(value) else {
        throw ValidationError("\(option): received \(value); use \(range.lowerBound) to \(range.upperBound)")
    }
}
