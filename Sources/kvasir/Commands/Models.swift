import ArgumentParser
import KvasirHub
import KvasirNumerics

/// `kvasir models`: what is there.
struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the models on this machine, and those that can be fetched by name.")

    @Flag(help: "Prints one JSON object.")
    var json = false

    func run() throws {
        let store = try ModelFetcher().store
        let models = try store.list()
        let missing = store.catalog.models.filter { known in !models.contains { $0.name == known.name } }
        if json {
            try JSONOutput.write(
                Listing(
                    directory: store.root, models: models.map(Listing.Model.init), available: missing.map(\.name)))
            return
        }
        var rows = [["NAME", "SIZE", "WHERE"]]
        rows += models.map { [$0.name, ByteCount(Int($0.bytes)).description, $0.path] }
        rows += missing.map { [$0.name, ByteCount(Int($0.bytes)).description, "not fetched: kvasir pull \($0.name)"] }
        Console.write(table(columns: rows) + "\n")
        try Console.check()
    }
}

private struct Listing: Encodable {
    struct Model: Encodable {
        let name: String
        let path: String
        let bytes: Int64
        let source: String
        let sha256: String?

        init(_ model: StoredModel) {
            name = model.name
            path = model.path
            bytes = model.bytes
            source = model.source
            sha256 = model.sha256
        }
    }

    let directory: String
    let models: [Model]
    let available: [String]
}
