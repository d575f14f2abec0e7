import Foundation

/// The server that speaks the hub's routes, and the token to show it.
struct HubEndpoint: Sendable, Hashable {
    /// The address without a trailing slash.
    let base: String
    /// The access token; sent to this server only.
    let token: String?

    /// The variable that names another server.
    static let endpointVariable = "HF_ENDPOINT"
    /// The variable that holds the access token.
    static let tokenVariable = "HF_TOKEN"

    /// Reads `HF_ENDPOINT` and `HF_TOKEN`.
    ///
    /// - Throws: `HubError` if the endpoint is no HTTP address.
    init(environment: [String: String]) throws(HubError) {
        func value(_ name: String) -> String? {
            environment[name]?.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        var base = value(Self.endpointVariable) ?? ""
        if base.isEmpty { base = "https://huggingface.co" }
        while base.hasSuffix("/") { base.removeLast() }
        guard Origin(base) != nil, !base.contains("?"), !base.contains("#") else {
            throw HubError(
                .invalidEndpoint, received: "\(Self.endpointVariable)='\(base)' is not the address of a server",
                remedy: "set it to something like https://HOST, or unset it")
        }
        self.base = base
        let token = value(Self.tokenVariable) ?? ""
        self.token = token.isEmpty ? nil : token
    }

    /// The route that lists a repository.
    func listURL(_ reference: HubReference) -> String {
        "\(base)/api/models/\(reference.owner)/\(reference.repository)/revision/main"
    }

    /// The route that gives one file.
    func fileURL(_ reference: HubReference, file: String) -> String {
        "\(base)/\(reference.owner)/\(reference.repository)/resolve/main/\(Self.percentEncoded(file))"
    }

    /// The page a person sees.
    func pageURL(_ reference: HubReference) -> String { "\(base)/\(reference.owner)/\(reference.repository)" }

    private static func percentEncoded(_ path: String) -> String {
        let unreserved = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
        return path.addingPercentEncoding(withAllowedCharacters: unreserved) ?? path
    }
}

/// Scheme, host and port: what decides whether a token may be sent along.
struct Origin: Hashable {
    let scheme: String
    let host: String
    let port: Int

    /// The origin of an absolute HTTP address; nil for anything else.
    init?(_ address: String) {
        guard let url = URL(string: address), let scheme = url.scheme?.lowercased(),
            ["http", "https"].contains(scheme),
            let host = url.host(percentEncoded: true)?.lowercased(), !host.isEmpty
        else { return nil }
        self.scheme = scheme
        self.host = host
        self.port = url.port ?? (scheme == "https" ? 443 : 80)
    }
}
