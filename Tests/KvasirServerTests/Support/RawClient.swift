#if Server
import Foundation

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A connection that sends what it is told, and no more: for clients that misbehave.
final class RawClient: @unchecked Sendable {  // used by one test
    struct Failure: Error { let call: String, code: Int32 }

    private var descriptor: Int32

    init(port: Int) throws {
        #if os(Linux) && !canImport(Musl)
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
        descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Failure(call: "connect", code: errno) }
    }

    deinit { closeNow() }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw Failure(call: "write", code: errno) }
    }

    /// A whole request in JSON.
    func post(_ path: String, _ body: String) throws {
        try send(
            "POST \(path) HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                + "content-length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// What has come, waiting for something; empty if the server has closed the connection.
    func receive() async -> String {
        let descriptor = descriptor
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var buffer = [UInt8](repeating: 0, count: 65536)
                let count = read(descriptor, &buffer, buffer.count)
                continuation.resume(returning: String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self))
            }
        }
    }

    /// Whether a text comes before the server closes the connection; an answer may come in several pieces.
    func receives(_ text: String) async -> Bool {
        var all = ""
        while !all.contains(text) {
            let more = await receive()
            if more.isEmpty { return false }
            all += more
        }
        return true
    }

    func closeNow() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

/// Waits until something is so, for ten seconds at most.
func eventually(_ condition: @Sendable () -> Bool) async -> Bool {
    for _ in 0..<1000 {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return condition()
}
#endif
