import ArgumentParser
import KvasirCache

extension LayerList {
    /// Parses the value of `--layers`; nil for nil.
    ///
    /// - Throws: `ValidationError` if it is no list of layers.
    static func parse(_ text: String?) throws -> LayerList? {
        guard let text else { return nil }
        guard let list = LayerList(text) else {
            throw ValidationError("--layers is '\(text)': give numbers and ranges separated by commas, as in 0-3,-1")
        }
        return list
    }
}
