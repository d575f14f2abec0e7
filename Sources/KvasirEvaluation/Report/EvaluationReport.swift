internal import Foundation

/// A page about any set of results: pictures first, the numbers behind them within reach, sources at the end.
///
/// One HTML file without scripts that loads nothing: style sheet and drawings are part of it. It is well-formed XML too.
public struct EvaluationReport: Sendable {
    /// Results of one model.
    private struct Chapter {
        var model: ModelDescription?
        var groups: [SourceGroup]
        /// What could not be shown, with the reason.
        var hidden: [(source: ReportSource, reason: String)] = []
    }

    /// In which order kinds are shown.
    private static let order: [ResultKind] = [
        .divergence, .perplexity, .tasks, .needle, .generation, .throughput, .memory, .normality, .entropy,
    ]

    private let sources: [ReportSource]

    /// Creates a report.
    ///
    /// - Throws: `EvaluationError` if there is no result.
    public init(_ sources: [ReportSource]) throws(EvaluationError) {
        guard !sources.isEmpty else {
            throw EvaluationError(received: "no results", remedy: "give at least one file that --output wrote")
        }
        self.sources = sources
    }

    /// The page.
    public var html: String {
        var number = 0
        var anchors: [(level: Int, id: String, title: String)] = []
        var hidden: [(source: ReportSource, reason: String)] = []
        var body: [Markup] = []
        for chapter in chapters {
            let title = chapter.model?.file ?? "Without a model"
            let id = "part-\(anchors.count)"
            anchors.append((0, id, title))
            body.append(element("h2", ["id": id], title))
            if let model = chapter.model { body.append(element("p", ["class": "facts"], Self.facts(of: model))) }
            let glance = Glance(chapter.groups)
            let styles = CacheStyles(glance.caches + Self.caches(of: chapter.groups), best: glance.best)
            if let table = glance.table {
                let id = "part-\(anchors.count)"
                anchors.append((1, id, "At a glance"))
                body.append(element("h3", ["id": id], "At a glance"))
                if !glance.highlights.isEmpty {
                    body.append(
                        element(
                            "ul", ["class": "tiles"],
                            glance.highlights.map { highlight in
                                element(
                                    "li", [:],
                                    [element("b", [:], highlight.figure), element("span", [:], highlight.meaning)])
                            }))
                }
                body.append(element("div", ["class": "glance"], [table.markup]))
            }
            for group in chapter.groups {
                do throws(EvaluationError) {
                    let section = try Self.section(of: group, styles: styles)
                    let id = "part-\(anchors.count)"
                    anchors.append((1, id, section.title))
                    body += Self.markup(of: section, id: id, number: &number)
                } catch {
                    hidden += group.sources.map { ($0, error.description) }
                }
            }
        }
        return "<!DOCTYPE html>\n" + page(anchors: anchors, body: body + notShown(hidden) + origin).rendered + "\n"
    }

    // MARK: Order

    private var chapters: [Chapter] {
        var chapters: [Chapter] = []
        for group in SourceGroup.groups(of: sources) {
            if let index = chapters.firstIndex(where: { SourceGroup.isSame($0.model, group.model) }) {
                chapters[index].groups.append(group)
                chapters[index].model = SourceGroup.joined(chapters[index].model, group.model)
            } else {
                chapters.append(Chapter(model: group.model, groups: [group]))
            }
        }
        func rank(_ group: SourceGroup) -> Int { Self.order.firstIndex(of: group.kind) ?? Self.order.count }
        for index in chapters.indices {
            let groups = chapters[index].groups
            chapters[index].groups = groups.indices.sorted { (rank(groups[$0]), $0) < (rank(groups[$1]), $1) }.map {
                groups[$0]
            }
        }
        return chapters
    }

    private static func section(of group: SourceGroup, styles: CacheStyles) throws(EvaluationError) -> ReportSection {
        switch group.kind {
        case .divergence: try DivergenceSection.make(group, styles: styles)
        case .perplexity: try PerplexitySection.make(group, styles: styles)
        case .tasks: try TasksSection.make(group, styles: styles)
        case .needle: try NeedleSection.make(group, styles: styles)
        case .generation: try GenerationSection.make(group, styles: styles)
        case .throughput: try ThroughputSection.make(group, styles: styles)
        case .memory: try MemorySection.make(group, styles: styles)
        case .normality: try NormalitySection.make(group, styles: styles)
        case .entropy: try EntropySection.make(group, styles: styles)
        default: throw EvaluationError(received: "kind '\(group.kind)'", remedy: "this report does not know it")
        }
    }

    /// Caches of results that do not tell their bits.
    private static func caches(of groups: [SourceGroup]) -> [String] {
        groups.flatMap { group -> [String] in
            group.sources.flatMap { source -> [String] in
                let results = source.document.results
                guard case .array(let rows)? = results["cells"] ?? results["caches"] else { return [] }
                return rows.compactMap { if case .string(let cache)? = $0["cache"] { cache } else { nil } }
            }
        }
    }

    // MARK: Parts

    private static func facts(of model: ModelDescription) -> String {
        "\(model.name), \(model.architecture) family: \(model.layers) layers with \(model.kvHeads) KV heads of "
            + "\(model.headSize), weights of \(NumberText.bytes(Double(model.weightBytes))); SHA-256 "
            + "\(model.sha256.prefix(12))…"
    }

    private static func markup(of section: ReportSection, id: String, number: inout Int) -> [Markup] {
        var pieces = [element("h3", ["id": id], section.title), element("p", [:], section.introduction)]
        pieces += section.notes.map { element("p", ["class": "note"], $0) }
        for figure in section.figures {
            number += 1
            pieces.append(figure.markup(number: number))
        }
        return pieces + section.tables.map(\.markup)
    }

    /// What the page could not show: nothing that was given disappears.
    private func notShown(_ hidden: [(source: ReportSource, reason: String)]) -> [Markup] {
        guard !hidden.isEmpty else { return [] }
        return [
            element("h2", ["id": "not-shown"], "Not shown"),
            element("p", [:], "Results that this version of the report has no picture for."),
            DataTable(
                title: "Results that are not shown", columns: [.text("file"), .text("kind"), .text("reason")],
                rows: hidden.map { [$0.source.name, $0.source.document.kind.rawValue, $0.reason] }
            ).markup,
        ]
    }

    /// Where every figure comes from.
    private var origin: [Markup] {
        let entries = sources.map { source in
            let document = source.document
            let machine = document.machine
            let facts = [
                document.kind.rawValue, Self.date(document.created), "Kvasir \(document.kvasirVersion)",
                "\(machine.processor), \(machine.threads) threads, \(machine.instructionSet)",
            ]
            return element(
                "li", [:],
                [
                    element("b", [:], source.name), element("span", [:], facts.joined(separator: " · ")),
                    element("code", [:], Self.commandLine(document.command)),
                ])
        }
        return [
            element("h2", ["id": "sources"], "Sources"),
            element("p", [:], "The result files of this page and the commands that made them."),
            element("ul", ["class": "sources"], entries),
        ]
    }

    private func page(anchors: [(level: Int, id: String, title: String)], body: [Markup]) -> Markup {
        let models = Set(sources.compactMap { $0.document.model?.file }).sorted()
        let title = "Kvasir report" + (models.isEmpty ? "" : ": " + models.joined(separator: ", "))
        let entries =
            anchors.map { anchor in
                element(
                    "li", ["class": anchor.level == 0 ? "chapter" : nil],
                    [element("a", ["href": "#\(anchor.id)"], anchor.title)])
            } + [element("li", ["class": "chapter"], [element("a", ["href": "#sources"], "Sources")])]
        return element(
            "html", ["xmlns": "http://www.w3.org/1999/xhtml", "lang": "en"],
            [
                element(
                    "head", [:],
                    [
                        element("meta", ["charset": "utf-8"]), element("title", [:], title),
                        element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
                        element("meta", ["name": "color-scheme", "content": "light dark"]),
                        element("style", [:], [.style(ReportStyle.sheet)]),
                    ]),
                element(
                    "body", [:],
                    [
                        element("a", ["class": "skip", "href": "#content"], "To the content"),
                        element(
                            "header", [:],
                            [
                                element("h1", [:], "What the cache costs, and what it saves"),
                                element("p", ["class": "lead"], lead),
                            ] + versionNote),
                        element("nav", ["aria-label": "Contents"], [element("ul", [:], entries)]),
                        element("main", ["id": "content"], body),
                        element(
                            "footer", [:],
                            "Made by kvasir report. Rest the pointer on a mark to read its value; every picture "
                                + "has its numbers below it."),
                    ]),
            ])
    }

    private var lead: String {
        let dates = sources.map(\.document.created)
        let first = dates.min().map { Self.date($0) } ?? ""
        let last = dates.max().map { Self.date($0) } ?? ""
        let when =
            first.prefix(10) == last.prefix(10)
            ? "on \(first.prefix(10))" : "from \(first.prefix(10)) to \(last.prefix(10))"
        return "Measured with Kvasir \(when): \(sources.count) result file\(sources.count == 1 ? "" : "s")."
    }

    /// Results of several versions of the program may differ for that reason alone.
    private var versionNote: [Markup] {
        let versions = Set(sources.map(\.document.kvasirVersion)).sorted()
        guard versions.count > 1 else { return [] }
        return [
            element(
                "p", ["class": "note"],
                "These results were made by different versions of Kvasir: \(versions.joined(separator: ", ")). Compare across "
                    + "them with care.")
        ]
    }

    private static func date(_ date: Date) -> String {
        let style = Date.ISO8601FormatStyle(timeZone: .gmt)
        return style.format(date).replacing("T", with: " ").replacing("Z", with: " UTC")
    }

    /// A command as it can be typed again.
    private static func commandLine(_ words: [String]) -> String {
        words.map { word in
            let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_./,:=+@%".contains($0) }
            return isPlain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
        }.joined(separator: " ")
    }
}
