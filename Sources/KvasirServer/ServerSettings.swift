#if Server
/// What a server is told besides the engine it serves.
public struct ServerSettings: Sendable {
    /// The address to listen on.
    public var host = "127.0.0.1"
    /// The port to listen on; 0 for one that is free.
    public var port = 8080
    /// What clients must show; nil for nothing, which is refused for any address but the machine's own.
    public var apiKey: String?

    /// The defaults.
    public init() {}
}
#endif
