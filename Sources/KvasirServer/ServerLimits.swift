#if Server
/// What one client may take.
///
/// Every limit is there so that one request cannot harm the others.
public struct ServerLimits: Sendable, Hashable {
    /// Bytes of a request's body.
    public var bodyBytes = 8 << 20
    /// Tokens of a prompt; what the context and the cache budget hold if nil.
    public var promptTokens: Int?
    /// Prompts of one request.
    public var prompts = 256
    /// Answers for each prompt (`n`).
    public var choices = 16
    /// Stop strings.
    public var stops = 16
    /// Bytes of a stop string.
    public var stopBytes = 512
    /// Most likely tokens listed beside each one (`logprobs`, `top_logprobs`).
    public var topLogProbabilities = 20
    /// Prompts and answers of one request that are with the engine at a time; the others follow.
    public var concurrentChoices = 64
    /// Connections; for one more the one is closed that has been idle for the longest time, and if none is, it waits.
    public var connections = 1024
    /// Until a new connection has sent its first request's header.
    public var headerTime = Duration.seconds(10)
    /// Until the body has arrived after the header.
    public var bodyTime = Duration.seconds(30)
    /// Until a connection without a request is closed.
    public var idleTime = Duration.seconds(120)
    /// Until a request is given up, from its arrival; nil for never.
    public var requestTime: Duration?

    /// The defaults.
    public init() {}
}
#endif
