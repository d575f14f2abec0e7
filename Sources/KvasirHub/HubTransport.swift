import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One request to the hub with its redirects, and the names of what can go wrong.
struct HubTransport: Sendable {
    let endpoint: HubEndpoint
    let http: HTTPClient

    private static let redirectLimit = 10

    /// Runs `body` with a client that lives as long as it runs.
    static func withTransport<Value>(
        to endpoint: HubEndpoint, _ body: (HubTransport) async throws(HubError) -> Value
    ) async throws(HubError) -> Value {
        let client = makeClient()
        let outcome: Result<Value, HubError>
        do throws(HubError) {
            outcome = .success(try await body(HubTransport(endpoint: endpoint, http: client)))
        } catch {
            outcome = .failure(error)
        }
        // Nothing is in flight any more, so a failure to shut down could only hide the outcome.
        try? await client.shutdown()
        return try outcome.get()
    }

    private static func makeClient() -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        // Redirects are followed here, where the token can be kept from other servers.
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(15), read: .seconds(60))
        configuration.httpVersion = .http1Only
        // A refused connection is reported at once; trying again is decided one level up.
        configuration.connectionPool.retryConnectionEstablishment = false
        // The same sockets on every platform, so that failures have the same names.
        return HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: configuration)
    }

    /// Sends a request and follows redirects.
    ///
    /// - Parameters:
    ///   - method: GET or HEAD.
    ///   - address: The first address, on the endpoint.
    ///   - headers: Sent on every hop; the token is added where it may be.
    ///   - reference: What is asked for, for errors.
    ///   - visit: Called with every answer, redirects too; returns whether to stop at it.
    /// - Returns: The first answer that is no redirect, or at which `visit` stopped; its status is below 400 or 416.
    /// - Throws: `HubError` for a failed connection, an error status, or a redirect that may not be followed.
    func send(
        _ method: HTTPMethod, _ address: String, headers: HTTPHeaders = [:], for reference: HubReference,
        visit: (HTTPClientResponse) -> Bool = { _ in false }
    ) async throws(HubError) -> HTTPClientResponse {
        var address = address
        for _ in 0...Self.redirectLimit {
            let response = try await sendOnce(method, address, headers: headers)
            if visit(response) { return response }
            switch response.status.code {
            case 200..<300, 416: return response
            case 301, 302, 303, 307, 308: address = try redirect(from: address, response)
            default: throw failure(response, from: address, for: reference)
            }
        }
        throw HubError(
            .unexpectedResponse,
            received: "\(endpoint.base) redirects \(reference) more than \(Self.redirectLimit) times",
            remedy: "check \(HubEndpoint.endpointVariable)")
    }

    private func sendOnce(
        _ method: HTTPMethod, _ address: String, headers: HTTPHeaders
    ) async throws(HubError) -> HTTPClientResponse {
        var request = HTTPClientRequest(url: address)
        request.method = method
        request.headers = headers
        request.headers.replaceOrAdd(name: "User-Agent", value: "kvasir")
        request.headers.replaceOrAdd(name: "Accept-Encoding", value: "identity")
        if let token = endpoint.token, Origin(address) == Origin(endpoint.base) {
            request.headers.replaceOrAdd(name: "Authorization", value: "Bearer \(token)")
        }
        do {
            // No deadline for the whole: a large model takes as long as it takes. The read time limit guards stalls.
            return try await http.execute(request, deadline: .distantFuture)
        } catch {
            throw Self.networkFailure(error, address: address)
        }
    }

    private func redirect(from address: String, _ response: HTTPClientResponse) throws(HubError) -> String {
        guard let location = response.headers.first(name: "Location"), let current = URL(string: address),
            let target = URL(string: location, relativeTo: current)?.absoluteString,
            let old = Origin(address), let new = Origin(target)
        else {
            throw HubError(
                .unexpectedResponse, received: "\(address) answered \(response.status.code) without a usable Location",
                remedy: "check \(HubEndpoint.endpointVariable)")
        }
        guard !(old.scheme == "https" && new.scheme == "http") else {
            throw HubError(
                .unexpectedResponse, received: "\(old.host) redirects to \(new.host) without encryption",
                remedy: "nothing was fetched; check \(HubEndpoint.endpointVariable)")
        }
        return target
    }

    /// Names a failed connection.
    static func networkFailure(_ error: any Error, address: String) -> HubError {
        if Task.isCancelled || error is CancellationError || error as? HTTPClientError == .cancelled {
            return HubError(
                .interrupted, received: "stopped while waiting for the server", remedy: "run the command again")
        }
        let server = Origin(address).map { "\($0.host):\($0.port)" } ?? address
        let remedy = "check the network and \(HubEndpoint.endpointVariable), then run the command again"
        let connection = error as? NIOConnectionError
        if connection?.dnsAError != nil, connection?.dnsAAAAError != nil {
            return HubError(.networkUnreachable, received: "the name of \(server) cannot be resolved", remedy: remedy)
        }
        let refusals = connection?.connectionErrors.compactMap { ($0.error as? IOError)?.errnoCode } ?? []
        if let code = refusals.first ?? (error as? IOError)?.errnoCode {
            return HubError(
                .networkUnreachable, received: "cannot connect to \(server): \(String(cString: strerror(code)))",
                remedy: remedy)
        }
        if error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError {
            // BoringSSL's own names are in the text only.
            let isUntrusted = error is NIOSSLExtraError || "\(error)".contains("CERTIFICATE_VERIFY_FAILED")
            let problem = isUntrusted ? "its certificate is not trusted here" : "it does not speak TLS as expected"
            return HubError(
                .connectionNotSecure, received: "no secure connection to \(server): \(problem)",
                remedy: "check \(HubEndpoint.endpointVariable), this machine's CA certificates and its clock")
        }
        if let http = error as? HTTPClientError {
            return HubError(
                [.invalidURL, .emptyHost, .emptyScheme].contains(http) ? .unexpectedResponse : .networkUnreachable,
                received: "\(server): \(http.shortDescription.lowercased())", remedy: remedy)
        }
        return HubError(.networkUnreachable, received: "no answer from \(server): \(error)", remedy: remedy)
    }

    /// Names an answer with an error status.
    private func failure(
        _ response: HTTPClientResponse, from address: String, for reference: HubReference
    ) -> HubError {
        let code = response.status.code
        if let origin = Origin(address), origin != Origin(endpoint.base), code < 500, code != 429 {
            // Such a server knows neither tokens nor names: what it refuses is an address that no longer holds.
            return HubError(
                .unexpectedResponse, received: "\(origin.host), where the hub keeps \(reference), answered \(code)",
                remedy: "run the command again for a fresh address")
        }
        let server = endpoint.base
        // The hub says in a header which of several things is meant by one status.
        let kind = response.headers.first(name: "X-Error-Code") ?? ""
        let token = HubEndpoint.tokenVariable
        switch code {
        case 401 where endpoint.token == nil:
            return HubError(
                .unauthorized,
                received: "\(server) gives \(reference) only with a token: private, gated, or misspelled (401)",
                remedy: "check the name, or set \(token) to a token that has access")
        case 401:
            return HubError(
                .unauthorized, received: "\(server) does not accept the value of \(token) for \(reference) (401)",
                remedy: "check that the token is valid and has access, and check the name")
        case 403:
            return HubError(
                .forbidden, received: "\(server) denies access to \(reference) (403)",
                remedy:
                    "accept its conditions at \(endpoint.pageURL(reference)) and set \(token) to a token of that account"
            )
        case 404, 410:
            let what = kind == "EntryNotFound" ? "has no such file: \(reference)" : "knows no \(reference)"
            return HubError(
                .notFound, received: "\(server) \(what) (\(code))",
                remedy: "check the spelling at \(endpoint.pageURL(reference))")
        case 429:
            return HubError(
                .rateLimited, received: "\(server) had too many requests (429)",
                remedy: endpoint.token == nil
                    ? "wait some minutes, or set \(token) for a higher limit"
                    : "wait some minutes and run the command again")
        case 500...:
            return HubError(
                .serverFailed, received: "\(server) failed on \(reference) (\(code) \(response.status.reasonPhrase))",
                remedy: "run the command again later")
        default:
            return HubError(
                .unexpectedResponse, received: "\(server) answered \(code) to a request for \(reference)",
                remedy: "check \(HubEndpoint.endpointVariable)")
        }
    }
}
