/// BoolQ: yes-or-no questions on a passage.
///
/// Source: Clark et al. (arXiv:1905.10044), as in SuperGLUE (arXiv:1905.00537).
struct BoolQRecord: TaskRecord {
    let question: String
    let passage: String
    /// 1 for yes.
    let label: IntegerLabel

    static let fields = ["question", "passage", "label"]

    func item(id: Int) throws(TaskRecordError) -> TaskItem {
        try TaskItem(
            id: id, context: "\(passage)\nQuestion: \(question)?\nAnswer:", choices: ["no", "yes"], gold: label.value)
    }
}
