/// The style sheet of a report: light and dark, on screen and on paper.
enum ReportStyle {
    static let sheet = light + dark + layout + tables + drawings + paper

    private static let light = """
        :root{color-scheme:light dark;--paper:#fff;--raised:#f6f7f9;--ink:#18202b;--soft:#566072;--rule:#dfe3e9;--grid:#e9ecf1;
        --accent:#0068b3;--c1:#0068b3;--c2:#c9460a;--c3:#07835f;--c4:#96388a;--c5:#a87400;--c6:#2f8fc4;--c7:#7a5a3a;
        --good:0,104,179;--warn:#8a4b00;--warnback:#fff6e6}

        """

    private static let darkColours = """
        --paper:#0f141b;--raised:#171d27;--ink:#e6eaf0;--soft:#9aa6b6;--rule:#2c3542;--grid:#222a35;
        --accent:#6cb6f5;--c1:#6cb6f5;--c2:#ff9160;--c3:#43c99b;--c4:#dc8ad2;--c5:#eab54a;--c6:#92d8ff;--c7:#cbb192;
        --good:108,182,245;--warn:#f3c27a;--warnback:#2a2113
        """

    private static let dark = "@media (prefers-color-scheme:dark){:root{\(darkColours)}}\n"

    private static let layout = """
        *{box-sizing:border-box}
        html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
        body{margin:0;background:var(--paper);color:var(--ink);line-height:1.55;
        font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
        main,header,nav,footer{max-width:62rem;margin:0 auto;padding:0 1.5rem}
        header{padding-top:3.5rem}
        h1{font-size:2.1rem;line-height:1.15;margin:0 0 .4rem;letter-spacing:-.02em}
        h2{font-size:1.55rem;line-height:1.2;margin:4rem 0 .3rem;letter-spacing:-.015em;padding-top:1.2rem;border-top:2px solid var(--ink)}
        h3{font-size:1.2rem;margin:3rem 0 .3rem;letter-spacing:-.01em}
        h4{font-size:.92rem;font-weight:600;margin:0 0 .2rem}
        p{margin:.4rem 0 1rem;max-width:44rem}
        .lead,.facts{color:var(--soft)}
        .lead{font-size:1.08rem}
        a{color:var(--accent);text-decoration-thickness:1px;text-underline-offset:.15em}
        code{font:.88em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
        nav ul{list-style:none;margin:1.5rem 0 0;padding:.9rem 1.2rem;background:var(--raised);border-radius:.6rem;display:flex;flex-wrap:wrap;gap:.2rem 1.4rem}
        nav .chapter{flex-basis:100%;font-weight:600}
        .note{border-left:3px solid var(--warn);background:var(--warnback);padding:.6rem 1rem;border-radius:0 .4rem .4rem 0;font-size:.94rem}
        .facts{font-size:.92rem}
        figure{margin:1.6rem 0 2.4rem;break-inside:avoid}
        figcaption{font-size:.92rem;color:var(--soft);max-width:46rem;margin-top:.6rem}
        figcaption b{color:var(--ink)}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:1rem;margin:1.2rem 0 2rem;padding:0;list-style:none}
        .tiles li{background:var(--raised);border-radius:.6rem;padding:1rem 1.2rem;break-inside:avoid}
        .tiles b{display:block;font-size:1.75rem;line-height:1.2;letter-spacing:-.02em;font-weight:650}
        .tiles span{color:var(--soft);font-size:.9rem}
        .sources{list-style:none;padding:0;font-size:.9rem}
        .sources li{padding:.8rem 0;border-top:1px solid var(--rule);break-inside:avoid}
        .sources b{margin-right:.8rem}
        .sources span{color:var(--soft)}
        .sources code{display:block;margin-top:.3rem}
        .panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(16rem,1fr));gap:1.4rem 1.8rem}
        .panel{min-width:0;break-inside:avoid}
        footer{color:var(--soft);font-size:.88rem;padding-top:2rem;padding-bottom:3rem}
        .skip{position:absolute;left:-99rem}
        .skip:focus{left:1rem;top:1rem;background:var(--raised);padding:.5rem 1rem}
        :focus-visible{outline:2px solid var(--accent);outline-offset:2px}

        """

    private static let tables = """
        details{margin-top:.5rem;font-size:.92rem}
        summary{cursor:pointer;color:var(--accent);width:max-content}
        .scroll{overflow-x:auto;margin:.6rem 0 1.2rem}
        table{border-collapse:collapse;font-size:.86rem;line-height:1.35;min-width:100%}
        caption{text-align:left;color:var(--soft);padding-bottom:.4rem}
        th,td{padding:.34rem .55rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule);white-space:nowrap}
                th:first-child,td:first-child{padding-left:0}
        thead th{font-weight:600;border-bottom:1.5px solid var(--ink);vertical-align:bottom;white-space:normal}
        tbody th{font-weight:500}
        .n{text-align:right}
        .glance tbody tr:hover,details tbody tr:hover{background:var(--raised)}
        table.heat{min-width:0;width:100%;table-layout:fixed;border-spacing:2px;border-collapse:separate}
        table.heat th,table.heat td{border:0;text-align:center;padding:.3rem .1rem;font-weight:400;white-space:nowrap}
        table.heat thead th{color:var(--soft);font-size:.8rem}
        table.heat tbody th{color:var(--soft);font-size:.8rem}
        table.heat td{border-radius:.25rem;background:rgba(var(--good),calc(.06 + .5*var(--v)))}
        table.heat caption{font-weight:600;color:var(--ink)}

        """

    private static let drawings = """
        .plot{display:block;width:100%;height:auto;overflow:visible}
        .legend{margin-bottom:.8rem}
        .plot text{font-size:12px;fill:var(--ink);stroke:none}
        .plot .tick{fill:var(--soft);font-size:11.5px}
        .plot .axis-title{fill:var(--soft);font-size:12px}
        .plot .label.faint{fill:var(--soft)}
        .grid{stroke:var(--grid);stroke-width:1}
        .axis{stroke:var(--soft);stroke-width:1}
        .guide{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}
        .leader{stroke:var(--soft);stroke-width:.6;opacity:.6}
        .band{fill:var(--raised)}
        .line{fill:none;stroke-width:2;stroke-linejoin:round}
        .whisker{fill:none;stroke-width:1.3;opacity:.75}
        .mark{stroke:var(--paper);stroke-width:1}
        .mark.faint{fill-opacity:.12;stroke-width:1.4}
        .whisker.faint{opacity:.35}
        .line.c0,.whisker.c0{stroke:var(--ink)}.mark.c0{fill:var(--ink)}

        """
        + (1...SeriesStyle.colours).map { number in
            ".line.c\(number),.whisker.c\(number){stroke:var(--c\(number))}.mark.c\(number){fill:var(--c\(number))}"
                + ".mark.c\(number).faint{stroke:var(--c\(number))}.plot text.c\(number){fill:var(--c\(number))}\n"
        }.joined()

    /// Paper is white whatever the screen is, and shows the tables that a reader would have to open.
    private static let paper =
        "@media print{" + light.replacing("color-scheme:light dark;", with: "color-scheme:light;")
            + """
            body{font-size:10pt}main,header,nav,footer{max-width:none;padding:0}nav,summary,.skip{display:none}
            h2{margin-top:1.5rem}h2,h3,h4{break-after:avoid}
            figure{break-inside:auto}.plot,tr{break-inside:avoid}figcaption{break-before:avoid}
            details::details-content{content-visibility:visible;display:block;block-size:auto}
            table{font-size:8pt}.scroll{overflow:visible}th,td{white-space:normal;padding:.2rem .35rem}}

            """
}
