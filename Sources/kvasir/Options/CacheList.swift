import ArgumentParser
import KvasirCache

/// Specifications of caches separated by commas, as in `f16,K=f16,V=nf4,nf4/b64`.
///
/// The comma inside `K=…,V=…` separates nothing: the two halves stay together, in either order. Nor do those of
/// `recent=K:…,V:…` and of `layers 0-1,-1=…`.
struct CacheList: ExpressibleByArgument {
    /// Every specification as it was given; none is checked.
    let specifications: [String]

    init(argument: String) {
        var specifications: [String] = []
        for piece in argument.split(separator: ",", omittingEmptySubsequences: false) {
            if let last = specifications.last, Self.continues(last, piece) {
                specifications[specifications.count - 1] = "\(last),\(piece)"
            } else {
                specifications.append(String(piece))
            }
        }
        self.specifications = specifications
    }

    var defaultValueDescription: String { specifications.joined(separator: ",") }

    /// Whether a piece belongs to the specification before it.
    private static func continues(_ specification: String, _ piece: Substring) -> Bool {
        let clause =
            specification.filter { !$0.isWhitespace }.lowercased()
            .split(separator: ";", omittingEmptySubsequences: false).last ?? ""
        var codecs = clause
        if clause.hasPrefix("layers") {
            guard let equals = clause.firstIndex(of: "=") else { return true }
            codecs = clause[clause.index(after: equals)...]
        } else if clause.hasPrefix("recent=") || clause.hasPrefix("sinks=") {
            let start = piece.filter { !$0.isWhitespace }.prefix(2).lowercased()
            return start == "k:" || start == "v:"
        }
        return Half(startOf: piece)?.completes(codecs) == true
    }

    private enum Half: String {
        case keys = "K="
        case values = "V="

        /// The half that a text begins with.
        init?(startOf text: some StringProtocol) {
            self.init(rawValue: String(text.filter { $0 != " " }.prefix(2)).uppercased())
        }

        /// Whether `specification` is the other half alone.
        func completes(_ codecs: some StringProtocol) -> Bool {
            guard let first = Half(startOf: codecs), first != self else { return false }
            return !codecs.contains(",")
        }
    }
}

extension [CacheList] {
    /// The configurations of all lists, in order.
    ///
    /// - Throws: `CacheError` if a specification is none.
    func configurations() throws(CacheError) -> [CacheConfiguration] {
        var configurations: [CacheConfiguration] = []
        for list in self {
            for specification in list.specifications {
                configurations.append(try CacheConfiguration(parsing: specification))
            }
        }
        return configurations
    }
}
