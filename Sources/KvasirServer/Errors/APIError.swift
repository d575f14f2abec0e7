#if Server
internal import HTTPTypes
internal import Hummingbird
internal import KvasirEngine
internal import KvasirJSON
internal import NIOCore

/// What a client is told when its request is not served, in the form of the OpenAI API.
struct APIError: Error, Equatable, CustomStringConvertible {
    /// The kind, as the API names it.
    enum Kind: String, Sendable {
        case invalidRequest = "invalid_request_error"
        case authentication = "authentication_error"
        case permission = "permission_error"
        case notFound = "not_found_error"
        case rateLimit = "rate_limit_error"
        case timeout = "timeout_error"
        case unavailable = "service_unavailable_error"
        case server = "server_error"
    }

    let status: HTTPResponse.Status
    let kind: Kind
    /// What is wrong and what to do.
    let message: String
    /// The parameter concerned.
    var parameter: String?
    /// For programs.
    var code: String?
    /// After how many seconds to try again.
    var retryAfter: Int?

    var description: String { message }

    /// A request that is wrong as it is.
    static func invalid(_ parameter: String?, _ message: String, code: String? = "invalid_value") -> APIError {
        APIError(status: .badRequest, kind: .invalidRequest, message: message, parameter: parameter, code: code)
    }

    /// No such address or model.
    static func notFound(_ message: String, parameter: String? = nil, code: String = "not_found") -> APIError {
        APIError(status: .notFound, kind: .notFound, message: message, parameter: parameter, code: code)
    }

    /// The model is not loaded yet.
    static let loading = APIError(
        status: .serviceUnavailable, kind: .unavailable,
        message: "the model is being loaded; try again in some seconds",
        code: "loading", retryAfter: 5)

    /// The server ends.
    static let shutDown = APIError(
        status: .serviceUnavailable, kind: .unavailable, message: "the server is shutting down", code: "shut_down")

    /// What went wrong is not the client's doing; the reason is in the log, not in the answer.
    static let unexpected = APIError(
        status: .internalServerError, kind: .server,
        message: "the server failed to answer this request; its log says why",
        code: "internal_error")

    /// The body is more than is read.
    static func tooLarge(limit: Int) -> APIError {
        APIError(
            status: .contentTooLarge, kind: .invalidRequest,
            message: "the body is larger than \(limit) bytes; send less, or start the server with a larger --max-body",
            code: "body_too_large")
    }

    /// The body did not come in time.
    static let bodyTimeout = APIError(
        status: .requestTimeout, kind: .timeout, message: "the body did not arrive in time; send it faster",
        code: "body_timeout")

    /// The body is no JSON.
    init(_ error: JSONError) {
        self = .invalid(
            nil, "the body is not valid JSON at byte \(error.offset): \(error.problem)", code: "invalid_json")
    }

    /// The engine does not serve the request.
    init(_ error: ServingError) {
        switch error.reason {
        case .invalidRequest: self = .invalid(nil, error.description)
        case .tooLarge: self = .invalid(nil, error.description, code: "context_length_exceeded")
        case .busy:
            self.init(
                status: .tooManyRequests, kind: .rateLimit, message: error.description, code: "queue_full",
                retryAfter: 1)
        case .deadline:
            // 408 would say that the client was slow.
            self.init(status: .gatewayTimeout, kind: .timeout, message: error.description, code: "deadline_exceeded")
        case .shutDown: self = .shutDown
        default: self = .unexpected
        }
    }

    /// A session is not saved, restored or erased.
    init(_ error: SessionError) {
        let (status, kind, code): (HTTPResponse.Status, Kind, String) =
            switch error.reason {
            case .badName: (.badRequest, .invalidRequest, "invalid_value")
            case .notFound: (.notFound, .notFound, "session_not_found")
            case .mismatch: (.conflict, .invalidRequest, "session_mismatch")
            case .otherVersion: (.conflict, .invalidRequest, "session_version")
            case .nothingToSave: (.conflict, .invalidRequest, "nothing_to_save")
            case .damaged: (.unprocessableContent, .invalidRequest, "session_damaged")
            case .noSpace: (HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"), .server, "disk_full")
            case .overBudget: (.serviceUnavailable, .unavailable, "cache_full")
            case .shutDown: (.serviceUnavailable, .unavailable, "shut_down")
            default: (.internalServerError, .server, "session_unusable")
            }
        self.init(
            status: status, kind: kind, message: error.description, parameter: "session", code: code,
            retryAfter: error.reason == .overBudget ? 1 : nil)
    }

    /// The server keeps no sessions.
    static let noSessions = APIError(
        status: .notImplemented, kind: .invalidRequest,
        message: "sessions are not kept here; start the server with --session-dir", parameter: "session",
        code: "no_sessions")

    init(
        status: HTTPResponse.Status, kind: Kind, message: String, parameter: String? = nil, code: String? = nil,
        retryAfter: Int? = nil
    ) {
        self.status = status
        self.kind = kind
        self.message = message
        self.parameter = parameter
        self.code = code
        self.retryAfter = retryAfter
    }

    /// What a client is told of any error.
    init(anything error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as ServingError: self.init(error)
        case let error as SessionError: self.init(error)
        case let error as SamplingError where error.reason == .outOfRange:
            self = .invalid(error.parameter, "'\(error.parameter)' is \(error.received); \(error.remedy)")
        default: self = .unexpected
        }
    }

    /// The error as the API writes it.
    var json: JSONNode {
        [
            "error": [
                "message": .string(message), "type": .string(kind.rawValue), "param": .string(orNull: parameter),
                "code": .string(orNull: code),
            ]
        ]
    }

    /// The answer.
    var response: Response {
        var response = Response(json, status: status)
        if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
        if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}

extension Response {
    /// An answer in JSON.
    init(_ json: JSONNode, status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes())))
    }
}
#endif
