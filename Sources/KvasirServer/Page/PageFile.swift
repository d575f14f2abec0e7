#if Server
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// A file of the page at `/`, which is part of the program.
struct PageFile: Sendable {
    let contentType: String
    let text: String

    static let html = PageFile(contentType: "text/html; charset=utf-8", text: pageHTML)
    static let script = PageFile(contentType: "text/javascript; charset=utf-8", text: pageScript)
    static let style = PageFile(contentType: "text/css; charset=utf-8", text: pageStyle)

    /// Nothing from elsewhere, nothing inline, in nobody's frame.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'"

    var response: Response {
        Response(
            status: .ok,
            headers: [
                .contentType: contentType, .contentSecurityPolicy: Self.policy, .xContentTypeOptions: "nosniff",
                .referrerPolicy: "no-referrer", .cacheControl: "no-cache",
            ], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
#endif
