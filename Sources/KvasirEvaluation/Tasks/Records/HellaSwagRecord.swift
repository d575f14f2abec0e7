/// HellaSwag: which of four endings continues a description.
///
/// Source: Zellers et al. (arXiv:1905.07830).
struct HellaSwagRecord: TaskRecord {
    let activity: String
    let contextA: String
    let contextB: String
    let endings: [String]
    let label: String

    enum CodingKeys: String, CodingKey {
        case activity = "activity_label"
        case contextA = "ctx_a"
        case contextB = "ctx_b"
        case endings, label
    }

    static let fields = ["activity_label", "ctx_a", "ctx_b", "endings", "label"]

    func item(id: Int) throws(TaskRecordError) -> TaskItem {
        guard let gold = Int(label) else {
            throw TaskRecordError(received: "label \"\(label)\"", remedy: "expected a number in quotation marks")
        }
        return try TaskItem(
            id: id, context: Self.cleaned("\(activity): \(contextA) \(PythonText.capitalized(contextB))"),
            choices: endings.map(Self.cleaned), gold: gold)
    }

    /// Takes out the marks of the WikiHow part of the data.
    private static func cleaned(_ text: String) -> String {
        let titled = PythonText.replacing(" [title]", in: PythonText.stripped(text), with: ". ")
        return PythonText.replacing("  ", in: PythonText.removingBrackets(titled), with: " ")
    }
}
