import ArgumentParser
import KvasirHub

/// `kvasir pull`: fetches a model.
struct Pull: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fetches a model and prints the path of its file.",
        discussion: """
            A model that is there already is not fetched again. A transfer that was interrupted goes on where it stopped.
            """)

    @Argument(help: "A name that 'kvasir models' lists, or hf:OWNER/REPO[:FILE] on the Hugging Face hub.")
    var name: String

    func run() async throws {
        let reference = try ModelReference(name)
        let model = try await ModelFetcher().fetch(reference, interrupts: Interrupts())
        Console.write(model.path + "\n")
        try Console.check()
    }
}
