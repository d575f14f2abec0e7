import ArgumentParser

/// Whole numbers separated by commas, or `none`.
struct Numbers: ExpressibleByArgument, ExpressibleByArrayLiteral {
    let values: [Int]

    init?(argument: String) {
        var values: [Int] = []
        let words = argument == Self.none ? [] : argument.split(separator: ",", omittingEmptySubsequences: false)
        for word in words {
            guard let value = Int(word) else { return nil }
            values.append(value)
        }
        self.values = values
    }

    init(arrayLiteral elements: Int...) { values = elements }

    private static let none = "none"

    var defaultValueDescription: String { values.isEmpty ? Self.none : values.map(String.init).joined(separator: ",") }
}
