import Foundation

/// Files that some tests use where this machine has them; such a test is skipped where it does not.
public enum TestResources {
    private static let environment = ProcessInfo.processInfo.environment

    /// The default model's file: `KVASIR_TEST_MODEL`, or the one the program has fetched.
    public static let defaultModelPath: String? = {
        let cache = set("XDG_CACHE_HOME") ?? NSHomeDirectory() + "/.cache"
        return existing(
            set("KVASIR_TEST_MODEL") ?? cache + "/kvasir/models/catalog/SmolLM2-135M-Instruct.Q4_1.gguf")
    }()

    /// The folder with evaluation texts: `KVASIR_TEST_DATA`.
    public static let dataDirectory: String? = set("KVASIR_TEST_DATA").flatMap(existing)

    private static func set(_ variable: String) -> String? {
        environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func existing(_ path: String) -> String? {
        FileManager.default.fileExists(atPath: path) ? path : nil
    }
}
