import ArgumentParser
import KvasirCache

/// Specifications of caches separated by commas, as in `f16,K=f16,V=nf4,nf4/b64`.
///
/// The comma inside `K=…,V=…` separates nothing: the two halves stay together, in either order.
struct CacheList: ExpressibleByArgument {
    /// Every specification as it was given; none is checked.
    let specifications: [String]

    init(argument: String) {
        var specifications: [String] = []
        for piece in argument.split(separator: ",", omittingEmptySubsequences: false) {
            if let last = specifications.last, let half = Half(startOf: piece), half.completes(last) {
                specifications[specifications.count - 1] = "\(last),\(piece)"
            } else {
                specifications.append(String(piece))
            }
        }
        self.specifications = specifications
    }

    var defaultValueDescription: String { specifications.joined(separator: ",") }

    private enum Half: String {
        case keys = "K="
        case values = "V="

        /// The half that a text begins with.
        init?(startOf text: some StringProtocol) {
            self.init(rawValue: String(text.filter { $0 != " " }.prefix(2)).uppercased())
        }

        /// Whether `specification` is the other half alone.
        func completes(_ specification: String) -> Bool {
            guard let first = Half(startOf: specification), first != self else { return false }
            return !specification.contains(",")
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
