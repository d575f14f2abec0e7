#if Server
import Foundation
import Testing

struct ServeTests {
    @Test(
        "Settings that make no sense are refused before anything is loaded",
        arguments: [
            (["--host", "0.0.0.0"], "host 0.0.0.0 without an API key"), (["--port", "70000"], "port 70000"),
            (["--api-key-file", "/nowhere"], "cannot read /nowhere"), (["--max-body", "much"], "--max-body"),
            (["--api-key", "a b"], "an API key"), (["--api-key", "a", "--api-key-file", "b"], "give one"),
            (["--cache", "nonsense"], "nonsense"), (["--request-timeout", "0"], "--request-timeout"),
            (["--session-dir", "/dev/null"], "session directory /dev/null"),
        ])
    func badSettings(options: [String], message: String) async throws {
        let outcome = try await Program.with { try await $0.run(["serve", "--model", "/nowhere.gguf"] + options) }
        #expect(outcome.status == 2)
        #expect(outcome.message.contains(message), "\(outcome.message)")
    }

    @Test("A model that is not there ends the server")
    func noModel() async throws {
        let outcome = try await Program.with { try await $0.run("serve", "--model", "/nowhere.gguf", "--port", "0") }
        #expect(outcome.status != 0)
        #expect(outcome.error.contains("/nowhere.gguf"))
    }

    @Test("The server says where it listens, serves, and ends when it is told to", arguments: ["TERM", "INT"])
    func startAndStop(signal: String) async throws {
        // A shell starts what runs beside it with the interrupt ignored; the program must take it all the same.
        let outcome = try await Program.with { program in
            try await program.shell(
                """
                "$KVASIR" serve --model "$MODEL" --port 0 --name tiny 2>log & server=$!
                until grep -q '^kvasir: ready' log || ! kill -0 $server 2>/dev/null; do sleep 0.05; done
                kill -\(signal) $server; wait $server; status=$?; cat log >&2; exit $status
                """)
        }
        #expect(outcome.status == 0)
        #expect(outcome.error.contains("kvasir: listening at http://127.0.0.1:"))
        #expect(outcome.error.contains("model   tiny"))
    }
}
#endif
