import Foundation
import Testing

@testable import KvasirEvaluation

#if canImport(FoundationXML)
import FoundationXML
#endif

struct ReportTests {
    /// A result of any kind, from its JSON.
    private func source(
        _ name: String, kind: String, settings: String = "{}", results: String, model: String? = "tiny",
        calibrations: String? = nil, version: String = "0.1.0", created: String = "2026-11-21T12:00:00Z"
    ) throws -> ReportSource {
        let model = model.map {
            """
            {"file":"\($0)","name":"\($0)","architecture":"llama","layers":2,"kvHeads":1,"headSize":32,"weightBytes":1000,\
            "sha256":"00ff"\(calibrations.map { ",\"calibrations\":\($0)" } ?? "")}
            """
        }
        let text = """
            {"format":"kvasir-result","version":1,"kind":"\(kind)","kvasirVersion":"\(version)","created":"\(created)",\
            "command":["kvasir","evaluate","--text","a b's.txt"],"machine":{"processor":"P","instructionSet":"avx2",\
            "threads":2},"model":\(model ?? "null"),"settings":\(settings),"results":\(results)}
            """
        return ReportSource(name: name, document: try ResultDocument(decoding: Array(text.utf8), name: name))
    }

    private static let textSettings = """
        {"text":"t.txt","textSHA256":"ab","form":"windows","context":64,"linear":"float32","prefill":"cache",\
        "plainAttention":false,"reference":"f16"}
        """

    private func divergence(_ rows: [(cache: String, bits: Double, mean: Double)]) -> String {
        let caches = rows.map { row in
            """
            {"cache":"\(row.cache)","bitsPerValueK":\(row.bits),"bitsPerValueV":\(row.bits),"perplexity":20,\
            "perplexityChange":\(row.mean),"perplexityChangeError":0.01,"mean":\(row.mean),"median":0.01,\
            "percentile99":0.3,"maximum":1,"sameTop":0.9,"byPosition":[\
            {"firstPosition":32,"lastPosition":47,"tokens":16,"mean":\(row.mean),"standardError":0.01},\
            {"firstPosition":48,"lastPosition":62,"tokens":15,"mean":\(row.mean * 2),"standardError":0.01}]}
            """
        }
        return """
            {"reference":"f16","referencePerplexity":19.5,"chunks":1,"tokens":31,"caches":[\(caches.joined(separator: ","))]}
            """
    }

    /// Every kind that the report knows.
    private func everything() throws -> [ReportSource] {
        let qq = "[[-2,-1.8],[0,0.1],[2,2.4]]"
        return [
            try source(
                "divergence.json", kind: "divergence", settings: Self.textSettings,
                results: divergence([("q8_0", 8.5, 0.001), ("nf4/b256/rot", 4.08, 0.05), ("nf4/b256", 4.08, 0.14)])),
            try source(
                "perplexity.json", kind: "perplexity", settings: Self.textSettings,
                results: """
                    {"chunks":2,"tokens":62,"caches":[{"cache":"f16","bitsPerValueK":16,"bitsPerValueV":16,"perplexity":20,\
                    "standardError":1,"cacheBytes":100},{"cache":"nf2/b256","bitsPerValueK":2,"bitsPerValueV":2,\
                    "perplexity":40,"cacheBytes":10}]}
                    """),
            try source(
                "bench.json", kind: "throughput",
                settings: #"{"repeats":3,"neighbours":0,"depths":[0,512],"prompts":[512],"batches":[]}"#,
                results: """
                    {"weightBytes":1000,"memoryBandwidth":2.8e10,"cells":[\
                    {"test":"decode","tokens":0,"sequences":1,"cache":"f16","cacheBytes":64,"median":200,"minimum":190,"maximum":210},\
                    {"test":"decode","tokens":512,"sequences":1,"cache":"f16","cacheBytes":6400,"median":150,"minimum":140,"maximum":160},\
                    {"test":"decode","tokens":0,"sequences":1,"cache":"nf4/b256/rot","cacheBytes":16,"median":205,"minimum":190,"maximum":210,"limit":300,"limitShare":0.68},\
                    {"test":"decode","tokens":512,"sequences":1,"cache":"nf4/b256/rot","cacheBytes":1600,"median":199,"minimum":190,"maximum":210},\
                    {"test":"prefill","tokens":512,"sequences":1,"cache":"f16","cacheBytes":6400,"median":1500,"minimum":1400,"maximum":1600}]}
                    """),
            try source(
                "tasks.json", kind: "tasks",
                results: """
                    {"caches":[{"cache":"f16","tasks":[{"task":"piqa","version":1.0,"metric":"acc","value":0.68,"standardError":0.01,"items":1287},\
                    {"task":"arc_easy","version":"1","metric":"acc_norm","value":0.5,"standardError":0.02,"items":1663}]},\
                    {"cache":"nf4/b256/rot","tasks":[{"task":"piqa","version":1.0,"metric":"acc","value":0.67,"standardError":0.01,"items":1287}]}]}
                    """),
            try source(
                "needle.json", kind: "needle",
                results: """
                    {"chance":0.1,"caches":[{"cache":"nf4/b256/rot","questions":8,"exact":0.5,"exactError":0.1,"first":0.75,"firstError":0.1,\
                    "grid":[{"length":256,"depth":0,"trials":4,"exact":2,"first":3},{"length":512,"depth":100,"trials":4,"exact":2,"first":3}]}]}
                    """),
            try source(
                "normality.json", kind: "normality",
                results: """
                    {"rows":[{"layer":0,"part":"keys","unit":"token","rotated":false,"blocks":100,"rejectionRate":0.4,"qq":\(qq)},\
                    {"layer":1,"part":"keys","unit":"token","rotated":false,"blocks":100,"rejectionRate":0.3,"qq":\(qq)}],\
                    "allLayers":[{"part":"keys","unit":"64","rotated":false,"blocks":200,"rejectionRate":0.35,"skewness":0.1,"kurtosis":3.2,"qq":\(qq)},\
                    {"part":"keys","unit":"64","rotated":true,"blocks":200,"rejectionRate":0.1,"qq":\(qq)}]}
                    """),
            try source(
                "generation.json", kind: "generation",
                results: """
                    {"reference":"f16","referenceRepetition":0.1,"tokens":4,"prompts":["a"],"caches":[{"cache":"nf4/b256/rot","identical":0,\
                    "medianFirstDifference":2,"divergence":0.1,"sameTop":0.9,"repetition":0.2,"divergenceByPosition":[0,0.1,0.2,0.1]}]}
                    """),
            try source(
                "memory.json", kind: "memory",
                results: """
                    {"caches":[{"cache":"f16","points":[{"tokens":512,"cacheBytes":1000},{"tokens":1024,"cacheBytes":2000}]}]}
                    """),
            try source(
                "entropy.json", kind: "entropy",
                results: """
                    {"rows":[{"layer":0,"form":"values","joint":[3,5],"alone":[3,6],"correctedJoint":[3,5.1]},\
                    {"layer":1,"form":"values","joint":[2.5,4],"alone":[3,6],"correctedJoint":[2.5,4.2]}],\
                    "allLayers":[{"form":"values","joint":[2.75,4.5],"alone":[3,6],"correctedJoint":[2.75,4.6]}]}
                    """),
            try source("strange.json", kind: "strangeness", results: #"{"bits":3.2}"#, model: nil),
        ]
    }

    /// What a parser of XML makes of a page.
    private final class Reader: NSObject, XMLParserDelegate {
        var counts: [String: Int] = [:]
        var ids: [String] = []
        var references: [String] = []
        var text = ""

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            counts[name, default: 0] += 1
            if let id = attributes["id"] { ids.append(id) }
            if let link = attributes["href"] { references.append(link) }
            references += (attributes["aria-labelledby"] ?? "").split(separator: " ").map { "#\($0)" }
            for value in attributes.values where value.contains("javascript:") { references.append(value) }
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
    }

    private func read(_ page: String) throws -> Reader {
        let reader = Reader()
        let parser = XMLParser(data: Data(page.utf8))
        parser.delegate = reader
        #expect(parser.parse(), "line \(parser.lineNumber): \(String(describing: parser.parserError))")
        return reader
    }

    @Test("The page is well-formed, loads nothing, and shows every kind with a table behind it")
    func wellFormed() throws {
        let page = try EvaluationReport(everything()).html
        #expect(page.hasPrefix("<!DOCTYPE html>\n<html"))
        let reader = try read(page)
        #expect(reader.counts["script"] == nil && reader.counts["link"] == nil && reader.counts["img"] == nil)
        #expect(!page.replacing("http://www.w3.org/", with: "").contains("http") && !page.contains("url("))
        #expect(Set(reader.ids).count == reader.ids.count, "every id once")
        for link in reader.references {
            #expect(link.hasPrefix("#") && reader.ids.contains(String(link.dropFirst())), "\(link)")
        }
        let figures = try #require(reader.counts["figure"])
        #expect(figures == 14)
        #expect(reader.counts["figcaption"] == figures && reader.counts["details"] == figures)
        // A legend repeats what its panels say.
        let legends = page.split(separator: "class=\"plot legend\"").count - 1
        #expect(legends == 1 && reader.counts["desc"].map { $0 + legends } == reader.counts["svg"])
        #expect(try #require(reader.counts["table"]) >= figures)
        for kind in [
            "Divergence from f16", "Perplexity, windows", "Zero-shot tasks", "Retrieval", "Long generations",
            "Speed and memory",
            "Normality", "Entropy of neighbouring channels", "At a glance", "Not shown", "Sources",
        ] {
            #expect(reader.text.contains(kind), "\(kind)")
        }
        #expect(page.contains("prefers-color-scheme:dark") && page.contains("@media print"))
    }

    @Test("What is not known is listed and does not disappear")
    func notShown() throws {
        let page = try EvaluationReport([
            source("strange.json", kind: "magic", results: "[1]"), source("broken.json", kind: "tasks", results: "{}"),
        ]).html
        let text = try read(page).text
        #expect(text.contains("Not shown"))
        #expect(text.contains("strange.json") && text.contains("'magic'"))
        #expect(text.contains("broken.json") && text.contains("'caches' is missing"))
    }

    @Test("Names from files stand for themselves, whatever is in them")
    func escaping() throws {
        let name = #"<script>alert(1)</script>&amp;\"'"#
        let page = try EvaluationReport([
            source(
                "<b>.json", kind: "divergence", settings: Self.textSettings,
                results: divergence([(name, 4, 0.1), ("nf4", 8, 0.01)]), model: "<i>\\u0001&")
        ]).html
        #expect(!page.contains("<script") && !page.contains("<b>.json") && !page.contains("<i>"))
        let reader = try read(page)
        #expect(reader.counts["script"] == nil && reader.counts["i"] == nil)
        #expect(reader.text.contains(#"<script>alert(1)</script>&amp;"'"#))
        #expect(reader.text.contains("<b>.json") && reader.text.contains("<i>\u{FFFD}&"))
    }

    @Test("Escaping covers what HTML and XML give a meaning")
    func escapes() {
        #expect(
            Markup.escape("a<b>&\"'\u{0}\u{1F}\n\u{FFFF}é😀") == "a&lt;b&gt;&amp;&quot;&#39;\u{FFFD}\u{FFFD}\n\u{FFFD}é😀"
        )
        #expect(element("p", ["class": "a\"b", "id": nil], "x<y").rendered == "<p class=\"a&quot;b\">x&lt;y</p>")
        #expect(element("br").rendered == "<br/>" && element("div").rendered == "<div></div>")
    }

    @Test("Results of two versions of the format are not mixed: the file of the other is named")
    func otherFormatVersion() throws {
        try withTemporaryFile { path in
            try #"{"format":"kvasir-result","version":2,"kvasirVersion":"2.0.0"}"#
                .write(toFile: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: EvaluationError.self) { try ReportSource(path: path) }
            #expect(error?.description.contains(path) == true && error?.description.contains("version 2") == true)
        }
        #expect(throws: EvaluationError.self) { try ReportSource(path: "/no/where.json") }
        #expect(throws: EvaluationError.self) { try EvaluationReport([]) }
    }

    @Test("Results of two versions of the program are shown with a warning")
    func otherProgramVersion() throws {
        let one = try source("1.json", kind: "strangeness", results: "{}", version: "0.1.0")
        let two = try source("2.json", kind: "strangeness", results: "{}", version: "0.2.0")
        #expect(
            try read(EvaluationReport([one, two]).html).text.contains("different versions of Kvasir: 0.1.0, 0.2.0"))
        #expect(try !read(EvaluationReport([one, one]).html).text.contains("different versions"))
    }

    @Test("Files of the same settings share a picture; of a cache measured twice the newest counts")
    func merging() throws {
        let old = try source(
            "old.json", kind: "divergence", settings: Self.textSettings,
            results: divergence([("nf4", 4, 0.111), ("nf3", 3, 0.222)]), created: "2026-11-21T10:00:00Z")
        let new = try source(
            "new.json", kind: "divergence", settings: Self.textSettings, results: divergence([("nf4", 4, 0.333)]),
            created: "2026-11-21T11:00:00Z")
        let other = try source(
            "other.json", kind: "divergence", settings: Self.textSettings.replacing("64", with: "128"),
            results: divergence([("nf4", 4, 0.444)]))
        let groups = SourceGroup.groups(of: [new, other, old])
        #expect(groups.map { $0.sources.map(\.name) } == [["old.json", "new.json"], ["other.json"]])
        let text = try read(EvaluationReport([new, old]).html).text
        #expect(text.contains("0.3330") && text.contains("0.2220") && !text.contains("0.1110"))
        #expect(text.contains("Measured more than once"))
        // Models are told apart.
        let foreign = try source(
            "foreign.json", kind: "divergence", settings: Self.textSettings, results: divergence([("nf4", 4, 0.5)]),
            model: "other")
        #expect(SourceGroup.groups(of: [old, foreign]).count == 2)
    }

    @Test("Results of one model are one chapter, whichever calibrations their caches read, unless two of a kind differ")
    func calibrations() throws {
        func page(_ calibrations: [String?]) throws -> String {
            try EvaluationReport(
                calibrations.enumerated().map { index, calibrations in
                    try source(
                        "\(index).json", kind: "divergence", settings: Self.textSettings,
                        results: divergence([("cache\(index)", 4, 0.05)]), calibrations: calibrations)
                }
            ).html
        }
        func chapters(_ calibrations: String?...) throws -> Int {
            try page(calibrations).components(separatedBy: "<h2").count - 2
        }
        #expect(try chapters(nil, #"{"m.gguf.center.safetensors":"aa"}"#) == 1)
        #expect(try chapters(#"{"m.gguf.qaq.safetensors":"bb"}"#, nil, #"{"m.gguf.center.safetensors":"aa"}"#) == 1)
        #expect(try chapters(#"{"m.gguf.center.safetensors":"aa"}"#, #"{"x.center.safetensors":"aa"}"#) == 1)
        #expect(try chapters(#"{"m.cq-2c8b.safetensors":"aa"}"#, #"{"n.cq-2c8b.safetensors":"cc"}"#) == 2)
        // What a file is for is not to be seen from every name.
        #expect(try chapters(#"{"a.safetensors":"aa"}"#, #"{"b.safetensors":"aa"}"#) == 2)
        #expect(try chapters(#"{"a.safetensors":"aa"}"#, #"{"a.safetensors":"aa"}"#) == 1)
        #expect(try chapters(#"{"m.center.safetensors":"aa","n.center.safetensors":"bb"}"#, nil) == 2)
        // The third agrees with the first, but not with what the second brought.
        #expect(try chapters(nil, #"{"m.center.safetensors":"aa"}"#, #"{"m.center.safetensors":"bb"}"#) == 2)
    }

    @Test("Of many caches those are drawn that tell most; the numbers are of all")
    func manyCaches() throws {
        let others = (0..<15).map { "other\($0)" }
        let styles = CacheStyles(others + ["f16", "nf4/b256/rot", "best"], best: ["best", "other14"])
        #expect(styles.drawn(Array(others.prefix(10))) == Array(others.prefix(10)))
        let drawn = styles.drawn(others + ["f16", "nf4/b256/rot", "best"])
        #expect(drawn.count == CacheStyles.most)
        #expect(drawn == Array(others.prefix(6)) + ["other14", "f16", "nf4/b256/rot", "best"])

        // Half of the caches beaten by those before them: of so many only the others are named.
        let rows = (0..<24).map { (index: Int) -> (cache: String, bits: Double, mean: Double) in
            let bits = Double(index + 1)
            return ("cache\(index)", bits, index.isMultiple(of: 2) ? 1 / bits : 2)
        }
        let report = try EvaluationReport([
            try source("d.json", kind: "divergence", settings: Self.textSettings, results: divergence(rows))
        ])
        let text = try read(report.html).text
        #expect(text.contains("Drawn are 10 of 24 caches"))
        let entries = rows.map { QualityFigure.Entry(cache: $0.cache, bits: $0.bits, value: $0.mean) }
        let figure = QualityFigure(title: "", summary: "", axis: Axis(title: ""), entries: entries, styles: styles)
        let points = figure.plot.series.flatMap { $0.points }
        #expect(points.count == 24 && points.allSatisfy { $0.note?.isEmpty == false })
        let named = points.compactMap { $0.label }
        #expect(named.count == 12 && named.contains("cache0") && !named.contains("cache1"))
        // Every cache has its row.
        #expect(rows.allSatisfy { text.contains($0.cache) })
    }

    @Test("A file that tells of no bits gives a page all the same")
    func noBits() throws {
        let report = try EvaluationReport([
            try source(
                "d.json", kind: "divergence", settings: Self.textSettings,
                results: divergence([("a", 0, 0.1), ("b", 4, 0.2)]))
        ])
        #expect(try read(report.html).text.contains("bits per value, mean of keys and values"))
    }

    @Test("Extreme results still give a page", arguments: [0, 1e-12, 1e6])
    func extremes(mean: Double) throws {
        let page = try EvaluationReport([
            source(
                "x.json", kind: "divergence", settings: Self.textSettings,
                results: divergence([("nf4", 4, mean), ("f16", 16, 0)]))
        ]).html
        let reader = try read(page)
        #expect(page.firstMatch(of: /\b(nan|inf)\b/) == nil)
        #expect(reader.text.contains("Divergence from f16"))
    }
}
