#if Server
import ArgumentParser
import Foundation
import KvasirNumerics
import KvasirServer

/// Where a server listens, who may use it, and how much.
struct ServerOptions: ParsableArguments {
    /// The variable that holds the key where the command line has none.
    static let variable = "KVASIR_API_KEY"

    @Option(help: ArgumentHelp("The address to listen on.", valueName: "address"))
    var host = ServerSettings().host

    @Option(
        name: [.long, .customShort("p")], help: ArgumentHelp("The port; 0 takes one that is free.", valueName: "number")
    )
    var port = ServerSettings().port

    @Option(
        help: ArgumentHelp(
            "What clients must show. Others on this machine can read a command line: better use --api-key-file, or "
                + "\(variable).", valueName: "key"))
    var apiKey: String?

    @Option(help: ArgumentHelp("A file whose first line is the key.", valueName: "file"), completion: .file())
    var apiKeyFile: String?

    @Flag(help: "Serves other machines without a key: everybody who can reach the address.")
    var insecureNoAuth = false

    @Option(
        help: ArgumentHelp(
            "An origin whose pages may use this server from a browser, or '*'; repeatable. (default: none but its own)",
            valueName: "origin"))
    var allowOrigin: [String] = []

    @Option(help: ArgumentHelp("The most bytes of a request.", valueName: "size"))
    var maxBody = "8MiB"

    @Option(
        help: ArgumentHelp(
            "The most tokens of a prompt. (default: what context and budget hold)", valueName: "tokens"))
    var maxPrompt: Int?

    @Option(help: ArgumentHelp("The most connections at a time.", valueName: "count"))
    var maxConnections = ServerLimits().connections

    @Option(
        help: ArgumentHelp("Gives a request up after this time. (default: never)", valueName: "seconds"))
    var requestTimeout: Double?

    @Option(help: ArgumentHelp("How long requests may go on once the server is told to stop.", valueName: "seconds"))
    var grace = 10

    @Option(help: ArgumentHelp("After how long a silence a stream gets a comment.", valueName: "seconds"))
    var ping = 10

    @Option(
        help: ArgumentHelp(
            "What clients call the model. (default: the file's name without its extension)", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Where sessions are kept: caches of sequences as files, which requests can save and restore. (default: "
                + "nowhere)", valueName: "directory"), completion: .directory)
    var sessionDir: String?

    @Flag(name: .shortAndLong, help: "Logs every request on standard error.")
    var verbose = false

    func validate() throws {
        if apiKey != nil, apiKeyFile != nil {
            throw ValidationError("--api-key and --api-key-file both set the key: give one")
        }
        if let maxPrompt, maxPrompt < 1 { throw ValidationError("--max-prompt is \(maxPrompt): give at least 1 token") }
        if maxConnections < 1 { throw ValidationError("--max-connections is \(maxConnections): give at least 1") }
        if let requestTimeout, !(requestTimeout > 0 && requestTimeout < 1e6) {
            throw ValidationError("--request-timeout is \(requestTimeout): give more than 0 seconds")
        }
        if ping < 1 { throw ValidationError("--ping is \(ping): give at least 1 second") }
        if grace < 0 { throw ValidationError("--grace is \(grace): give 0 seconds or more") }
    }

    /// The settings, checked.
    func settings(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> ServerSettings {
        var settings = ServerSettings()
        settings.host = host
        settings.port = port
        settings.apiKey = try key(environment)
        settings.allowsNetworkWithoutKey = insecureNoAuth
        settings.allowedOrigins = allowOrigin
        settings.pingInterval = .seconds(ping)
        settings.graceTime = .seconds(grace)
        do throws(ByteCountError) {
            settings.limits.bodyBytes = try ByteCount(parsing: maxBody).bytes
        } catch {
            throw UsageError(message: "--max-body: \(error)")
        }
        settings.limits.promptTokens = maxPrompt
        settings.limits.connections = maxConnections
        settings.limits.requestTime = requestTimeout.map { .seconds($0) }
        try settings.validate()
        return settings
    }

    private func key(_ environment: [String: String]) throws -> String? {
        if let apiKey { return apiKey }
        if let apiKeyFile {
            guard let text = try? String(contentsOfFile: apiKeyFile, encoding: .utf8) else {
                throw UsageError(message: "--api-key-file: cannot read \(apiKeyFile)")
            }
            return text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        }
        // An empty variable is how many systems unset one.
        return environment[Self.variable].flatMap { $0.isEmpty ? nil : $0 }
    }
}
#endif
