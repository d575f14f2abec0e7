import Foundation
import KvasirTestSupport
import Testing

/// The default model, where it is.
struct RealModelTests {
    @Test(
        "The default model knows a capital, whatever the cache",
        .enabled(if: TestResources.defaultModelPath != nil, "set KVASIR_TEST_MODEL to the default model's path"),
        arguments: ["f16", "nf4"])
    func capital(codec: String) async throws {
        let path = try #require(TestResources.defaultModelPath)
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
