import Foundation
import KvasirHub
import Testing

/// The default model, where it is: the file `KVASIR_TEST_MODEL` names, or the one in the user's store.
struct RealModelTests {
    static let model: String? = {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["KVASIR_TEST_MODEL"], !path.isEmpty { return path }
        guard let store = try? ModelStore(environment: environment) else { return nil }
        return (try? store.resolve(.catalog(store.catalog.defaultModel)))??.path
    }()

    @Test(
        "The default model knows a capital, whatever the cache", .enabled(if: model != nil), arguments: ["f16", "nf4"])
    func capital(codec: String) async throws {
        let path = try #require(Self.model)
        let outcome = try await Program.with {
            try await $0.run(
                "generate", "--json", "--temperature", "0", "--max-tokens", "24", "--cache", codec, "--model", path,
                "The capital of France is")
        }
        #expect(outcome.status == 0)
        let text = try #require(try object(outcome)["text"] as? String)
        #expect(text.contains("Paris"), "\(text)")
    }
}
