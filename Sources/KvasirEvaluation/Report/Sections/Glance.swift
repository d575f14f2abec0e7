internal import KvasirCache

/// What all results of a model say of each cache, in one table.
struct Glance {
    private struct Row {
        let cache: String
        var bits: (keys: Double, values: Double)?
        var divergence: Double?
        var sameTop: Double?
        var change: Double?
        var changeError: Double?
        var speed: Double?
        var bytes: Int?
    }

    private var rows: [Row] = []
    /// Cached tokens after which speeds are compared.
    private var depth: Int?

    /// What of a result tells the bits of caches.
    private struct Bits: Decodable {
        struct Cache: Decodable {
            let cache: String
            let bitsPerValueK: Double?
            let bitsPerValueV: Double?
        }

        let caches: [Cache]
    }

    /// Collects what the groups of one model say; of several groups of a kind the one with the most caches counts.
    init(_ groups: [SourceGroup]) {
        for group in groups {
            guard let results = try? group.results(as: Bits.self) else { continue }
            for cache in results.flatMap(\.caches) {
                update(cache.cache) { row in
                    if let keys = cache.bitsPerValueK, let values = cache.bitsPerValueV { row.bits = (keys, values) }
                }
            }
        }
        let divergences = groups.filter { $0.kind == .divergence }
            .compactMap { try? $0.results(as: DivergenceReport.self).flatMap(\.caches) }
        for cache in divergences.max(by: { $0.count < $1.count }) ?? [] {
            update(cache.cache) { row in
                row.divergence = cache.mean
                row.sameTop = cache.sameTop
                row.change = cache.perplexityChange
                row.changeError = cache.perplexityChangeError
            }
        }
        let speeds = groups.filter { $0.kind == .throughput }
            .compactMap { try? $0.results(as: ThroughputReport.self).flatMap(\.cells) }
            .map { $0.filter { $0.test == "decode" } }
        let cells = speeds.max { $0.count < $1.count } ?? []
        depth = cells.map(\.tokens).max()
        for cell in cells where cell.tokens == depth {
            update(cell.cache) { row in
                row.speed = cell.median
                row.bytes = cell.cacheBytes
            }
        }
        func size(_ row: Row) -> Double { row.bits.map { $0.keys + $0.values } ?? 0 }
        rows.sort { size($0) > size($1) }
    }

    private mutating func update(_ cache: String, _ change: (inout Row) -> Void) {
        if let index = rows.firstIndex(where: { $0.cache == cache }) {
            change(&rows[index])
        } else {
            var row = Row(cache: cache)
            change(&row)
            rows.append(row)
        }
    }

    /// The caches, those with most bits first.
    var caches: [String] { rows.map(\.cache) }

    /// The caches that no other beats in both size and divergence, the smallest first.
    var best: [String] {
        let measured = rows.compactMap { row -> (cache: String, x: Double, y: Double)? in
            guard let bits = row.bits, let divergence = row.divergence else { return nil }
            return (row.cache, bits.keys + bits.values, divergence)
        }
        return ParetoFront.indices(of: measured.map { ($0.x, $0.y) }).map { measured[$0].cache }
    }

    /// What the default cache gives and costs, in few figures; empty where it was not measured.
    var highlights: [(figure: String, meaning: String)] {
        let name = CacheConfiguration.default.description
        guard let row = rows.first(where: { $0.cache == name }) else { return [] }
        let reference = rows.first { CacheStyles.isReference($0.cache) }
        var figures: [(String, String)] = []
        if let bits = row.bits {
            figures.append(
                (NumberText.fixed(32 / (bits.keys + bits.values), 2) + " ×", "smaller than f16: \(name), the default"))
        }
        if let change = row.change {
            figures.append(((change > 0 ? "+" : "") + NumberText.percent(change), "perplexity against f16"))
        }
        if let divergence = row.divergence {
            figures.append((NumberText.fixed(divergence, 4), "nats of mean KL divergence"))
        }
        if let speed = row.speed, let other = reference?.speed, let depth {
            figures.append(
                (
                    NumberText.fixed(speed / other, 2) + " ×",
                    "the decode speed of f16 after \(NumberText.whole(depth)) tokens"
                ))
        }
        return figures
    }

    /// The table; nil if there is nothing to set side by side.
    var table: DataTable? {
        guard rows.count > 1 else { return nil }
        let reference = rows.first { CacheStyles.isReference($0.cache) }
        var columns = [DataTable.Column.text("cache")]
        var cells = rows.map { [$0.cache] }
        func add(_ title: String, _ value: (Row) -> String?) {
            let column = rows.map(value)
            guard column.contains(where: { $0 != nil }) else { return }
            columns.append(.number(title))
            for index in cells.indices { cells[index].append(column[index] ?? "–") }
        }
        add("bits K / V") { row in
            row.bits.map { "\(NumberText.fixed($0.keys, 2)) / \(NumberText.fixed($0.values, 2))" }
        }
        add("mean KL, nats") { $0.divergence.map { NumberText.fixed($0, 4) } }
        add("same top token") { $0.sameTop.map { NumberText.percent($0) } }
        add("change of perplexity") { row in
            row.change.map { change in
                NumberText.fixed(change * 100, 2)
                    + (row.changeError.map { " ± " + NumberText.fixed($0 * 100, 2) } ?? "") + " %"
            }
        }
        let tokens = depth.map { NumberText.whole($0) } ?? ""
        add("decode after \(tokens), tokens/s") { $0.speed.map { NumberText.fixed($0, 1) } }
        if let speed = reference?.speed {
            add("times f16") { $0.speed.map { NumberText.fixed($0 / speed, 2) } }
        }
        add("cache of \(tokens) tokens") { $0.bytes.map { NumberText.bytes(Double($0)) } }
        guard columns.count > 2 else { return nil }
        return DataTable(title: "Every cache, side by side", columns: columns, rows: cells)
    }
}
