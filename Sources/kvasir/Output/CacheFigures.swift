import KvasirCache
import KvasirCodecs
import KvasirNumerics

/// What a cache is and takes, for machines.
struct CacheFigures: Encodable {
    /// Bytes by purpose.
    struct Footprint: Encodable {
        let keyCodes: Int
        let keyScales: Int
        let valueCodes: Int
        let valueScales: Int
        let window: Int
        let slack: Int
        let total: Int

        init(_ footprint: CacheFootprint) {
            keyCodes = footprint.keyCodes
            keyScales = footprint.keyScales
            valueCodes = footprint.valueCodes
            valueScales = footprint.valueScales
            window = footprint.window
            slack = footprint.slack
            total = footprint.total
        }
    }

    /// What a layer has read, for as many query tokens as there were.
    struct LayerReading: Encodable {
        /// Values by the bits that were read of them.
        struct Part: Encodable {
            let widths: [Int]
            let values: [Int]
            /// Bits read besides, to find out how many to read.
            let estimatedBits: Int
            let bitsPerValue: Double?

            init(_ reading: CacheReading) {
                widths = reading.values.keys.sorted()
                values = widths.map { reading.values[$0] ?? 0 }
                estimatedBits = reading.estimatedBits
                bitsPerValue = reading.bitsPerValue
            }
        }

        let layer: Int
        let keys: Part?
        let values: Part?

        init(layer: Int, keys: CacheReading?, values: CacheReading?) {
            self.layer = layer
            self.keys = keys.map(Part.init)
            self.values = values.map(Part.init)
        }
    }

    let configuration: String
    let keys: String
    let values: String
    let bitsPerValueK: Double
    let bitsPerValueV: Double
    /// Bits that a query has read of each key value it saw, and of each value; absent where nothing was read yet.
    let bitsReadPerValueK: Double?
    let bitsReadPerValueV: Double?
    /// Layers that read fewer bits than they store, by need; absent without any.
    let readings: [LayerReading]?
    /// What codebooks add to the bits of a value while `cachedTokens` are cached, and what they take; 0 without any.
    let codebookBitsPerValue: Double
    let codebookBytes: Int
    let context: Int
    let cachedTokens: Int
    let cacheBytes: Int
    let f16Bytes: Int
    let footprint: Footprint

    init(_ plan: CachePlan, context: Int, tokens: Int, footprint: CacheFootprint) {
        configuration = plan.configuration.description
        keys = plan.configuration.keys
        values = plan.configuration.values
        bitsPerValueK = plan.bitsPerValueK
        bitsPerValueV = plan.bitsPerValueV
        let reading = plan.reading
        bitsReadPerValueK = plan.bitsReadPerValueK(reading)
        bitsReadPerValueV = plan.bitsReadPerValueV(reading)
        let selective = plan.layers.filter { $0.keyWidths != nil || $0.valueWidths != nil }
        readings =
            selective.isEmpty
            ? nil
            : selective.map {
                LayerReading(layer: $0.index, keys: reading.keys[$0.index], values: reading.values[$0.index])
            }
        codebookBitsPerValue = plan.codebookBitsPerValue(forTokens: tokens)
        codebookBytes = plan.tableBytes(.codebooks, forTokens: tokens)
        self.context = context
        cachedTokens = tokens
        cacheBytes = footprint.total
        f16Bytes = plan.f16Bytes(forTokens: tokens)
        self.footprint = Footprint(footprint)
    }
}

extension CachePlan {
    /// What queries have read of each selective layer: shares of values by their bits, and the mean; nil if nothing was.
    var readingTable: String? {
        let reading = reading
        let parts = layers.flatMap { layer in
            [("K", reading.keys[layer.index]), ("V", reading.values[layer.index])].compactMap { part, reading in
                reading.flatMap { reading in reading.bitsPerValue.map { (layer.index, part, reading, $0) } }
            }
        }
        guard !parts.isEmpty else { return nil }
        let widths = Set(parts.flatMap { $0.2.values.keys }).sorted()
        var rows = [["LAYER", "PART"] + widths.map { "\($0) BITS" } + ["READ OF A VALUE"]]
        for (layer, part, reading, bits) in parts {
            let count = Double(reading.values.values.reduce(0, +))
            rows.append(
                ["\(layer)", part]
                    + widths.map { width in
                        reading.values[width].map { "\((Double($0) * 100 / count).fixed(1)) %" } ?? ""
                    } + [bits.fixed(3)])
        }
        return table(columns: rows)
    }

    /// The codecs and their bits, in words; what is kept in f16 besides.
    var summary: String {
        func names(_ name: (Layer) -> String) -> String {
            layers.map(name).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.joined(separator: "+")
        }
        var words = [
            "K \(names(\.keyName)) \(bitsPerValueK.fixed(3)) bits/value",
            "V \(names(\.valueName)) \(bitsPerValueV.fixed(3)) bits/value",
        ]
        if configuration.recent != .none { words.append("recent \(configuration.recent)") }
        if configuration.sinks != .none { words.append("sinks \(configuration.sinks)") }
        return words.joined(separator: ", ")
    }

    /// Tells the user what the plan has to say, on standard error.
    func noteWarnings() {
        for warning in warnings { Console.note("kvasir: warning: \(warning)") }
    }

    /// The bytes of some tokens beside what f16 takes, in words.
    func comparison(bytes: Int, tokens: Int) -> String {
        let reference = f16Bytes(forTokens: tokens)
        guard bytes > 0 else { return "nothing" }
        return "\(ByteCount(bytes)); f16 takes \(ByteCount(reference)), "
            + "\((Double(reference) / Double(bytes)).fixed(2)) times as much"
    }
}
