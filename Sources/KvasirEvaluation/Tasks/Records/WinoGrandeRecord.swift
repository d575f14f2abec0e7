/// WinoGrande: which of two words fills the gap.
///
/// Source: Sakaguchi et al. (arXiv:1907.10641).
///
/// "Partial" scoring: the choice is part of the context, and what comes after the gap is scored. Trinh and Le
/// (arXiv:1806.02847), section 4.
struct WinoGrandeRecord: TaskRecord {
    let sentence: String
    let option1: String
    let option2: String
    let answer: String

    static let fields = ["sentence", "option1", "option2", "answer"]

    func item(id: Int) throws(TaskRecordError) -> TaskItem {
        let scalars = sentence.unicodeScalars
        guard let gap = scalars.firstIndex(of: "_") else {
            throw TaskRecordError(received: "a sentence without '_'", remedy: "the gap is marked by '_'")
        }
        guard let gold = ["1", "2"].firstIndex(of: answer) else {
            throw TaskRecordError(received: "answer \"\(answer)\"", remedy: "expected \"1\" or \"2\"")
        }
        let before = String(scalars[..<gap])
        return TaskItem(
            id: id, contexts: [before + option1, before + option2],
            continuation: PythonText.stripped(String(scalars[scalars.index(after: gap)...])), gold: gold)
    }
}
