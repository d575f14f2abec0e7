#if Server
internal import HTTPTypes

extension HTTPField.Name {
    /// Tells nginx to pass every event on at once.
    static let xAccelBuffering = known("X-Accel-Buffering")
    /// What of this address other sites are told.
    static let referrerPolicy = known("Referrer-Policy")

    private static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("the name is a token of HTTP") }
        return name
    }
}
#endif
