import KvasirCache
import KvasirCodecs
import KvasirEngine
import KvasirModels
import KvasirNumerics

/// What `explain` says of a plan.
struct CacheReport {
    let info: ModelInfo
    let path: String
    let plan: CachePlan
    let context: Int
    let budget: Int?
    /// What a run made of it; nil without one.
    let adaptive: AdaptiveFigures?

    private var footprint: CacheFootprint { plan.footprint(forTokens: context) }

    // MARK: - For people

    var text: String {
        let shape = info.cacheShape
        let head = table([
            ("model", "\(info.name) (\(info.architecture)), made for \(info.contextLength.grouped) tokens"),
            ("file", path),
            (
                "heads",
                "\(shape.layers) layers, \(shape.heads.kvHeads) KV heads of \(shape.heads.headSize) channels, "
                    + "\(shape.queryHeads) query heads"
            ),
            ("cache", plan.configuration.description),
        ])
        let run = [adaptive?.text, plan.readingTable].compactMap { $0 }
        return ([head, layers, totals, parts] + run).joined(separator: "\n\n")
    }

    private var layers: String {
        let width = info.cacheShape.heads.width
        func bits(_ storage: PartStorage) -> String {
            let codes = PartStorage(codes: storage.codes).bitsPerValue(width: width)
            let scales = PartStorage(codes: 0, scales: storage.scales).bitsPerValue(width: width)
            return "\(storage.bitsPerValue(width: width).fixed(3)) = \(codes.fixed(3)) + \(scales.fixed(3))"
        }
        let groups = plan.layerGroups
        var rows = [["LAYERS", "PART", "CODEC", "BITS PER VALUE = CODES + SCALES"]]
        rows += groups.flatMap { group in
            [
                [group.layers.name, "K", group.keyName, bits(group.keyStorage)],
                ["", "V", group.valueName, bits(group.valueStorage)],
            ]
        }
        func reads(_ widths: [Int]?) -> String {
            guard let widths else { return "all" }
            return widths.dropLast().map(String.init).joined(separator: ", ") + " or \(widths.last ?? 0) bits, by need"
        }
        func append(_ column: [String]) { rows = zip(rows, column).map { $0 + [$1] } }
        if plan.isSelective {
            append(
                ["READ"]
                    + groups.flatMap { group in
                        let layer = plan.layers[group.layers.lowerBound]
                        return [reads(layer.keyWidths), reads(layer.valueWidths)]
                    })
        }
        if plan.localPageBytes > 0 {
            append(
                ["ATTENDS TO"] + groups.flatMap { [$0.slidingWindow.map { "last \($0.grouped)" } ?? "all", ""] })
        }
        if plan.windowPageBytes > 0 {
            append(
                ["IN F16 BESIDES"] + groups.flatMap { [$0.exactKeys, $0.exactValues] }.map { $0?.words ?? "nothing" })
        }
        if groups.contains(where: { $0.deviation != nil }) {
            append(["BECAUSE OF"] + groups.flatMap { [$0.deviation ?? "", ""] })
        }
        return table(columns: rows)
    }

    private var totals: String {
        let ratio = Double(plan.f16BytesPerToken) / plan.bytesPerToken
        // A page need not be a multiple of its tokens.
        let exact = Int(exactly: plan.bytesPerToken)?.grouped ?? plan.bytesPerToken.fixed(1)
        var rows = [
            ["TOKENS", "THIS CACHE", "F16", "RATIO"],
            [
                "1", "\(exact) bytes", "\(plan.f16BytesPerToken.grouped) bytes", ratio.fixed(2),
            ],
            [
                context.grouped, ByteCount(footprint.total).description,
                ByteCount(plan.f16Bytes(forTokens: context)).description, ratio.fixed(2),
            ],
        ]
        let codebooks = plan.tableBytes(.codebooks, forTokens: context)
        if codebooks > 0 {
            let f16 = plan.f16Bytes(forTokens: context)
            rows.append([
                "\(context.grouped) and codebooks", ByteCount(footprint.total + codebooks).description,
                ByteCount(f16).description, (Double(f16) / Double(footprint.total + codebooks)).fixed(2),
            ])
        }
        if let budget {
            let holds = plan.tokens(inBytes: budget, inStepsOf: InferenceEngine.prefillChunk)
            let f16 = PageGeometry.tokens * (budget / (plan.f16BytesPerToken * PageGeometry.tokens))
            rows.append([
                "that fit \(ByteCount(budget))", holds.grouped, f16.grouped,
                f16 > 0 ? (Double(holds) / Double(f16)).fixed(2) : "",
            ])
        }
        return table(columns: rows)
    }

    private var parts: String {
        let footprint = footprint
        let parts = [
            ("key codes", footprint.keyCodes), ("key scales", footprint.keyScales),
            ("value codes", footprint.valueCodes), ("value scales", footprint.valueScales),
            ("window", footprint.window), ("slack", footprint.slack),
            ("total", footprint.total),
        ]
        let tables = [
            ("codebooks, shared by all", plan.tableBytes(.codebooks, forTokens: context)),
            ("tables, shared by all", plan.tableBytes(.positions, forTokens: context)),
        ]
        return table(
            columns: [["PART OF \(context.grouped) TOKENS", "BYTES"]]
                + (parts + tables.filter { $0.1 > 0 }).map { [$0.0, $0.1.grouped] })
    }

    // MARK: - For machines

    struct Object: Encodable {
        struct Part: Encodable {
            let codec: String
            let bitsPerValue: Double
            let codeBits: Double
            let scaleBits: Double
            /// The bits that queries read of a value, one number or the other by need; absent where they read all.
            let readWidths: [Int]?
            /// Tokens that queries read in f16.
            let window: Window?

            init(_ codec: String, _ storage: PartStorage, _ exact: ExactTokens?, width: Int, reads: [Int]?) {
                self.codec = codec
                bitsPerValue = storage.bitsPerValue(width: width)
                codeBits = PartStorage(codes: storage.codes).bitsPerValue(width: width)
                scaleBits = PartStorage(codes: 0, scales: storage.scales).bitsPerValue(width: width)
                readWidths = reads
                window = exact.map { Window(sinks: $0.sinks, recent: $0.recent, block: $0.block) }
            }

            struct Window: Encodable {
                let sinks: Int
                let recent: Int
                let block: Int
            }
        }

        struct Layers: Encodable {
            let first: Int
            let last: Int
            let keys: Part
            let values: Part
            let because: String?
            /// Tokens that a query attends to; absent for all.
            let slidingWindow: Int?
        }

        struct Budget: Encodable {
            let bytes: Int
            let tokens: Int
            let holdsContext: Bool
        }

        let model: String
        let modelPath: String
        let architecture: String
        let modelContext: Int
        let layers: [Layers]
        let warnings: [String]
        let bytesPerToken: Double
        let windowPageBytes: Int
        let f16BytesPerToken: Int
        let cache: CacheFigures
        let budget: Budget?
        /// Where bits follow attention, those after a run of a text.
        let adaptive: AdaptiveFigures?
    }

    var object: Object {
        let width = info.cacheShape.heads.width
        return Object(
            model: info.name, modelPath: path, architecture: info.architecture, modelContext: info.contextLength,
            layers: plan.layerGroups.map { group in
                let layer = plan.layers[group.layers.lowerBound]
                return Object.Layers(
                    first: group.layers.lowerBound, last: group.layers.upperBound,
                    keys: Object.Part(
                        group.keyName, group.keyStorage, group.exactKeys, width: width, reads: layer.keyWidths),
                    values: Object.Part(
                        group.valueName, group.valueStorage, group.exactValues, width: width, reads: layer.valueWidths),
                    because: group.deviation, slidingWindow: group.slidingWindow)
            },
            warnings: plan.warnings, bytesPerToken: plan.bytesPerToken, windowPageBytes: plan.windowPageBytes,
            f16BytesPerToken: plan.f16BytesPerToken,
            cache: CacheFigures(plan, context: context, tokens: context, footprint: footprint),
            budget: budget.map { bytes in
                let tokens = plan.tokens(inBytes: bytes, inStepsOf: InferenceEngine.prefillChunk)
                return Object.Budget(bytes: bytes, tokens: tokens, holdsContext: tokens >= context)
            }, adaptive: adaptive)
    }
}

extension ExactTokens {
    /// The tokens in words: `first 4, last 64`.
    fileprivate var words: String {
        var words: [String] = []
        if sinks > 0 { words.append("first \(sinks)") }
        if recent > 0 { words.append("last \(recent)") }
        if block > 1 { words.append("begun \(block)") }
        return words.joined(separator: ", ")
    }
}

extension ClosedRange<Int> {
    /// The indices in words: `0-29`, or `7` for one.
    fileprivate var name: String { count == 1 ? "\(lowerBound)" : "\(lowerBound)-\(upperBound)" }
}
