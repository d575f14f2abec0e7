import ArgumentParser
import KvasirCache
import KvasirCodecs
import KvasirNumerics

/// `kvasir codecs`: what a cache can be stored as.
struct Codecs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the codecs and presets of the cache, with their bits for a shape of heads.")

    @Option(help: ArgumentHelp("KV heads of a layer.", valueName: "count"))
    var kvHeads = 8

    @Option(help: ArgumentHelp("Channels of a head.", valueName: "count"))
    var headSize = 128

    @Flag(help: "Prints one JSON object.")
    var json = false

    func validate() throws {
        if kvHeads < 1 { throw ValidationError("--kv-heads is \(kvHeads): give at least 1") }
        if headSize < 1 { throw ValidationError("--head-size is \(headSize): give at least 1") }
        // Before they are multiplied.
        guard max(kvHeads, headSize) <= PageGeometry.longestVector else {
            throw ValidationError(
                "--kv-heads and --head-size give more than \(PageGeometry.longestVector) values: "
                    + "no codec takes longer vectors")
        }
    }

    func run() throws {
        let shape = HeadShape(kvHeads: kvHeads, headSize: headSize)
        let listing = CodecListing(shape: shape, instructionSet: try ComputeOptions().instructionSet())
        if json {
            try JSONOutput.write(listing)
        } else {
            Console.write(listing.text + "\n")
            try Console.check()
        }
    }
}
