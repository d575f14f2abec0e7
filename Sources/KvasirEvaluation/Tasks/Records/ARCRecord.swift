/// ARC, easy and challenge: questions of science at school, with three to five choices.
///
/// Source: Clark et al. (arXiv:1803.05457).
struct ARCRecord: TaskRecord {
    struct Choices: Decodable {
        let text: [String]
        let label: [String]
    }

    let question: String
    let choices: Choices
    let answerKey: String

    static let fields = ["question", "choices", "answerKey"]

    func item(id: Int) throws(TaskRecordError) -> TaskItem {
        guard choices.text.count == choices.label.count else {
            throw TaskRecordError(
                received: "\(choices.text.count) choices with \(choices.label.count) labels",
                remedy: "expected a label for each")
        }
        guard let gold = choices.label.firstIndex(of: answerKey) else {
            throw TaskRecordError(
                received: "answerKey \"\(answerKey)\"",
                remedy: "the labels are \(choices.label.joined(separator: ", "))")
        }
        return try TaskItem(id: id, context: "Question: \(question)\nAnswer:", choices: choices.text, gold: gold)
    }
}
