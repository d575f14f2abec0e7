#if Server
/// What a server is told besides the engine it serves.
public struct ServerSettings: Sendable {
    /// The address to listen on.
    public var host = "127.0.0.1"
    /// The port to listen on; 0 for one that is free.
    public var port = 8080
    /// What clients must show; nil for nothing, which is refused for any address but the machine's own.
    public var apiKey: String?
    /// Whether other machines are served without a key.
    public var allowsNetworkWithoutKey = false
    /// The origins whose pages may ask this server from a browser, such as `https://chat.example`; `*` for all.
    public var allowedOrigins: [String] = []
    /// What one client may take.
    public var limits = ServerLimits()
    /// How long a stream is silent before a comment is sent, so that nothing between takes it for dead.
    public var pingInterval = Duration.seconds(10)
    /// How long requests may go on once the server is told to stop.
    public var graceTime = Duration.seconds(10)

    /// The defaults.
    public init() {}

    /// Whether only this machine can reach the address.
    public var isLoopback: Bool { Self.isLoopback(host) }

    /// Checks what can be checked before anything is loaded.
    ///
    /// - Throws: `ServerError`.
    public func validate() throws(ServerError) {
        guard (0...65535).contains(port) else {
            throw ServerError(.badSetting, received: "port \(port)", remedy: "give 0 (any free one) to 65535")
        }
        guard !host.isEmpty else {
            throw ServerError(.badSetting, received: "an empty host", remedy: "give an address, such as 127.0.0.1")
        }
        if let apiKey {
            guard !apiKey.isEmpty, apiKey.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw ServerError(
                    .badSetting, received: "an API key that is empty or has spaces or other than ASCII characters",
                    remedy: "give visible ASCII characters, such as the output of 'openssl rand -hex 32'")
            }
        } else if !isLoopback, !allowsNetworkWithoutKey {
            throw ServerError(
                .unprotected, received: "host \(host) without an API key",
                remedy:
                    "set --api-key-file or KVASIR_API_KEY, or say --insecure-no-auth if everybody who can reach this "
                    + "address may use it")
        }
    }

    static func isLoopback(_ host: String) -> Bool {
        let name = host.lowercased()
        return ["localhost", "::1", "[::1]"].contains(name) || name.hasSuffix(".localhost")
            || (name.hasPrefix("127.") && name.split(separator: ".").count == 4
                && name.allSatisfy { $0 == "." || $0.isNumber })
    }
}

/// A setting that the server does not start with.
public struct ServerError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, without the values.
    public struct Reason: Sendable, Hashable {
        private enum Kind { case badSetting, unprotected, cannotListen }
        private let kind: Kind

        /// A value that is not possible.
        public static let badSetting = Reason(kind: .badSetting)
        /// The address can be reached by others, and nothing protects it.
        public static let unprotected = Reason(kind: .unprotected)
        /// The address cannot be listened on.
        public static let cannotListen = Reason(kind: .cannotListen)
    }

    /// What is wrong.
    public let reason: Reason
    /// What was received.
    public let received: String
    /// What to do.
    public let remedy: String

    init(_ reason: Reason, received: String, remedy: String) {
        self.reason = reason
        self.received = received
        self.remedy = remedy
    }

    /// One line: what was received, and what to do.
    public var description: String { "\(received): \(remedy)" }
}
#endif
