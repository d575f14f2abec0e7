/// RTE: whether a sentence follows from another.
///
/// Source: Wang et al., "GLUE" (arXiv:1804.07461).
struct RTERecord: TaskRecord {
    let sentence1: String
    let sentence2: String
    /// 0 if it follows, 1 if not.
    let label: IntegerLabel

    static let fields = ["sentence1", "sentence2", "label"]

    func item(id: Int) throws(TaskRecordError) -> TaskItem {
        try TaskItem(
            id: id, context: "\(sentence1)\nQuestion: \(sentence2) True or False?\nAnswer:",
            choices: ["True", "False"], gold: label.value)
    }
}
