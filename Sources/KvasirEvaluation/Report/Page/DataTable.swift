/// A table of a report: the figures behind a picture, or figures that have none.
struct DataTable {
    /// A column: its title, and whether it holds numbers.
    struct Column {
        let title: String
        var isNumeric = true

        /// A column of numbers.
        static func number(_ title: String) -> Column { Column(title: title) }

        /// A column of words.
        static func text(_ title: String) -> Column { Column(title: title, isNumeric: false) }
    }

    /// What the table holds; read aloud before it.
    let title: String
    let columns: [Column]
    let rows: [[String]]

    /// The table; the first cell of a row is its heading.
    var markup: Markup {
        let heading = columns.map { column in
            element("th", ["scope": "col", "class": column.isNumeric ? "n" : nil], column.title)
        }
        let body = rows.map { row in
            element(
                "tr", [:],
                zip(columns, row).enumerated().map { index, cell in
                    let style = cell.0.isNumeric ? "n" : nil
                    return index == 0
                        ? element("th", ["scope": "row", "class": style], cell.1)
                        : element("td", ["class": style], cell.1)
                })
        }
        return element(
            "div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": title],
            [
                element(
                    "table", [:],
                    [
                        element("caption", [:], title), element("thead", [:], [element("tr", [:], heading)]),
                        element("tbody", [:], body),
                    ])
            ])
    }
}
