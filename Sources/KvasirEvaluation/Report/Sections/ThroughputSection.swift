/// The part about results of kind `throughput`.
enum ThroughputSection {
    private typealias Cell = ThroughputReport.Cell

    static func make(_ group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        let settings = try group.settings(as: ThroughputSettings.self)
        let reports = try group.results(as: ThroughputReport.self)
        let (cells, replaced) = SourceGroup.latest(reports.flatMap(\.cells)) {
            "\($0.cache), \(name(of: $0))"
        }
        let machine = group.sources[0].document.machine
        let bandwidth = reports.map(\.memoryBandwidth).max() ?? 0
        var section = ReportSection(
            title: "Speed and memory",
            introduction:
                "\(machine.processor), \(machine.threads) threads, \(machine.instructionSet) kernels; memory is "
                + "read at \(NumberText.fixed(bandwidth / 1e9, 1)) GB/s. Medians of \(settings.repeats) runs, the caches in "
                + "turn: compare rows of one run with each other.")
        section.notes += SourceGroup.note(replaced: replaced)
        let decode = cells.filter { $0.test == "decode" }
        let prefill = cells.filter { $0.test == "prefill" }
        let batch = cells.filter { $0.test == "batch" }
        section.figures += [
            speed(decode, x: "cached tokens", title: "Decode speed against depth", of: \.tokens, styles),
            memory(decode, styles),
            speed(prefill, x: "tokens of the prompt", title: "Prefill speed against length", of: \.tokens, styles),
            speed(batch, x: "sequences", title: "Decode speed of batches", of: \.sequences, styles),
        ].compactMap { $0 }
        // A single size makes no picture.
        var rest = cells.filter { !["decode", "prefill", "batch"].contains($0.test) }
        if !hasPicture(decode, of: \.tokens) { rest += decode }
        if !hasPicture(prefill, of: \.tokens) { rest += prefill }
        if !hasPicture(batch, of: \.sequences) { rest += batch }
        if !rest.isEmpty { section.tables.append(table(rest)) }
        return section
    }

    private static func name(of cell: Cell) -> String {
        switch cell.test {
        case "decode": "decode after \(NumberText.whole(cell.tokens))"
        case "prefill": "prefill of \(NumberText.whole(cell.tokens))"
        case "shared-batch": "decode of \(cell.sequences) sequences that share a prompt"
        case "batch": "decode of \(cell.sequences) sequence\(cell.sequences == 1 ? "" : "s")"
        default: "\(cell.test) \(cell.tokens)"
        }
    }

    /// Cells by cache, each by growing size.
    private static func byCache(_ cells: [Cell], _ size: KeyPath<Cell, Int>) -> [(cache: String, cells: [Cell])] {
        var caches: [String] = []
        for cell in cells where !caches.contains(cell.cache) { caches.append(cell.cache) }
        return caches.map { cache in
            (cache, cells.filter { $0.cache == cache }.sorted { $0[keyPath: size] < $1[keyPath: size] })
        }
    }

    /// Whether there are lines to draw.
    private static func hasPicture(_ cells: [Cell], of size: KeyPath<Cell, Int>) -> Bool {
        Set(cells.map { $0[keyPath: size] }).count > 1
    }

    /// A line for each cache; nil if there are fewer than two sizes.
    private static func speed(
        _ cells: [Cell], x: String, title: String, of size: KeyPath<Cell, Int>, _ styles: CacheStyles
    ) -> ReportFigure? {
        guard hasPicture(cells, of: size) else { return nil }
        let caches = byCache(cells, size)
        let drawn = styles.drawn(caches.map(\.cache))
        let series = caches.filter { drawn.contains($0.cache) }.map { cache, cells in
            Plot.Series(
                name: cache, style: styles[cache],
                points: cells.map { cell in
                    Plot.Point(
                        x: Double(cell[keyPath: size]), y: cell.median, low: cell.minimum, high: cell.maximum,
                        note: "\(cache), \(name(of: cell)): \(NumberText.fixed(cell.median, 1)) tokens/s")
                })
        }
        let plot = Plot(
            title: title,
            summary: series.map { line in
                "\(line.name): "
                    + line.points.map { "\(NumberText.tick($0.x)) at \(NumberText.fixed($0.y, 0)) tokens/s" }
                    .joined(separator: ", ")
            }.joined(separator: "; ") + ".",
            x: Axis(title: x, startsAtZero: true, isTight: true),
            y: Axis(title: "tokens per second", startsAtZero: true),
            series: series)
        return ReportFigure(
            title: title,
            caption: "Higher is better. Marks are medians, whiskers the slowest and the fastest run."
                + styles.note(caches.map(\.cache)),
            content: .plot(plot), table: table(cells))
    }

    private static func memory(_ cells: [Cell], _ styles: CacheStyles) -> ReportFigure? {
        MemoryFigure.make(
            byCache(cells, \.tokens).map { cache, cells in
                (cache, cells.map { (tokens: $0.tokens, bytes: $0.cacheBytes) })
            },
            caption:
                "Bytes of the pages that a sequence holds after the decode cells above; lower is better. Pages hold 64 "
                + "tokens.", styles: styles)
    }

    private static func table(_ cells: [Cell]) -> DataTable {
        let hasPeak = cells.contains { $0.peak != nil }
        let hasNeighbours = cells.contains { $0.besideNeighbours != nil }
        var titles = ["tokens/s", "slowest", "fastest", "cache", "cache GB/s", "memory's limit", "of the limit"]
        if hasNeighbours { titles += ["beside neighbours", "kept"] }
        if hasPeak { titles.append("peak memory") }
        return DataTable(
            title: "Speed in tokens per second, and bytes",
            columns: [.text("test"), .text("cache codec")] + titles.map { .number($0) },
            rows: cells.map { cell in
                var row = [
                    name(of: cell), cell.cache, NumberText.fixed(cell.median, 1), NumberText.fixed(cell.minimum, 1),
                    NumberText.fixed(cell.maximum, 1), NumberText.bytes(Double(cell.cacheBytes)),
                    cell.cacheBandwidth.map { NumberText.fixed($0 / 1e9, 2) } ?? "–",
                    cell.limit.map { NumberText.fixed($0, 0) } ?? "–",
                    cell.limitShare.map { NumberText.percent($0, 0) } ?? "–",
                ]
                if hasNeighbours {
                    row.append(cell.besideNeighbours.map { NumberText.fixed($0.median, 1) } ?? "–")
                    row.append(cell.keptShare.map { NumberText.percent($0, 0) } ?? "–")
                }
                if hasPeak { row.append(cell.peak.map { NumberText.bytes(Double($0.bytes)) } ?? "–") }
                return row
            })
    }
}

/// Bytes of caches against the length of the context.
enum MemoryFigure {
    static func make(
        _ caches: [(cache: String, points: [(tokens: Int, bytes: Int)])], caption: String, styles: CacheStyles
    ) -> ReportFigure? {
        let lengths = Set(caches.flatMap { $0.points.map(\.tokens) }).sorted()
        guard lengths.count > 1 else { return nil }
        let drawn = styles.drawn(caches.map(\.cache))
        let plot = Plot(
            title: "Memory of the cache against context",
            summary: caches.compactMap { cache, points in
                points.last.map {
                    "\(cache): \(NumberText.bytes(Double($0.bytes))) at \(NumberText.whole($0.tokens)) tokens"
                }
            }.joined(separator: "; ") + ".",
            x: Axis(title: "cached tokens", startsAtZero: true, isTight: true),
            y: Axis(title: "cache, MiB", startsAtZero: true),
            series: caches.filter { drawn.contains($0.cache) }.map { cache, points in
                Plot.Series(
                    name: cache, style: styles[cache],
                    points: points.map { point in
                        Plot.Point(
                            x: Double(point.tokens), y: Double(point.bytes) / 0x1p20,
                            note:
                                "\(cache), \(NumberText.whole(point.tokens)) tokens: \(NumberText.bytes(Double(point.bytes)))"
                        )
                    })
            })
        return ReportFigure(
            title: "Memory against context", caption: caption + styles.note(caches.map(\.cache)), content: .plot(plot),
            table: DataTable(
                title: "Bytes of the cache by length",
                columns: [.text("cache")] + lengths.map { .number(NumberText.whole($0)) },
                rows: caches.map { cache, points in
                    [cache]
                        + lengths.map { length in
                            points.first { $0.tokens == length }.map { NumberText.bytes(Double($0.bytes)) } ?? "–"
                        }
                }))
    }
}
