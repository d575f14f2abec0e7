/// PIQA: which of two ways reaches a goal.
///
/// Source: Bisk et al. (arXiv:1911.11641).
struct PIQARecord: TaskRecord {
    let goal: String
    let sol1: String
    let sol2: String
    let label: IntegerLabel

    static let fields = ["goal", "sol1", "sol2", "label"]

    func item(id: Int) throws(TaskRecordError) -> TaskItem {
        try TaskItem(id: id, context: "Question: \(goal)\nAnswer:", choices: [sol1, sol2], gold: label.value)
    }
}
