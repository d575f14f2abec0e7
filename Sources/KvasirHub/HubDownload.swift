import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// What the hub says of a file before it is fetched.
struct RemoteFile: Sendable, Equatable {
    /// The version of the file; nil if the server names none.
    var etag: String?
    /// The size in bytes, where the server says so.
    var bytes: Int64?

    /// The SHA-256 of the content, which the hub uses as the entity tag of large files.
    var sha256: String? { etag.flatMap { Checksum.isSHA256($0) ? $0.lowercased() : nil } }

    /// Takes what an answer says; the `X-Linked` headers speak of the large file behind a redirect.
    init(_ status: HTTPResponseStatus, _ headers: HTTPHeaders) {
        let tag = headers.first(name: "X-Linked-Etag") ?? headers.first(name: "ETag")
        etag = tag.map { Self.unquoted($0) }.flatMap { $0.isEmpty ? nil : $0 }
        // The length of a redirect is that of its own body.
        let length = status == .ok ? headers.first(name: "Content-Length") : nil
        let size = headers.first(name: "X-Linked-Size") ?? length
        bytes = size.flatMap { Int64($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }

    private static func unquoted(_ tag: String) -> String {
        let strong = tag.hasPrefix("W/") ? tag.dropFirst(2) : tag[...]
        return strong.trimmingCharacters(in: CharacterSet(charactersIn: "\" "))
    }
}

/// Fetches files of the hub, and goes on where an earlier try ended.
struct HubDownload: Sendable {
    var transport: HubTransport
    var retry: RetryPolicy
    var progress: PullProgressHandler

    /// What belongs to the bytes of an unfinished transfer.
    private struct Partial: Codable, Equatable {
        var etag: String
    }

    /// Returns the paths of all files of a repository, sorted.
    ///
    /// - Throws: `HubError`, also if the server lists a name that would leave the store.
    func files(of reference: HubReference) async throws(HubError) -> [String] {
        struct Listing: Decodable {
            struct Sibling: Decodable { var rfilename: String }
            var siblings: [Sibling]
        }
        let address = transport.endpoint.listURL(reference)
        let listing = try await retry.run { () async throws(HubError) in
            let response = try await transport.send(.GET, address, for: reference)
            do {
                let body = try await response.body.collect(upTo: 32 << 20)
                return try JSONDecoder().decode(Listing.self, from: Data(body.readableBytesView))
            } catch let error where error is DecodingError || error is NIOTooManyBytesError {
                throw HubError(
                    .unexpectedResponse, received: "\(address) did not answer with a list of files",
                    remedy: "check \(HubEndpoint.endpointVariable)")
            } catch {
                throw HubTransport.networkFailure(error, address: address)
            }
        }
        let names = listing.siblings.map(\.rfilename).sorted()
        // Of the others nothing is fetched.
        for name in names where name.lowercased().hasSuffix(".gguf") || !name.contains("/") {
            _ = try reference.naming(file: name)
        }
        return names
    }

    /// Fetches a file into `staging` and verifies it.
    ///
    /// - Parameters:
    ///   - reference: The repository.
    ///   - file: The path of the file inside it.
    ///   - staging: A private directory on the store's file system, kept between tries.
    /// - Returns: The path of the finished file, and the SHA-256 it was verified against if the hub names one.
    /// - Throws: `HubError`; what arrived stays in `staging` unless it is known to be wrong.
    func fetch(
        _ reference: HubReference, file: String, staging: String
    ) async throws(HubError) -> (path: String, sha256: String?) {
        let path = "\(staging)/part"
        var failures = 0
        while true {
            let before = regularFileSize(path) ?? 0
            do throws(HubError) {
                let remote = try await attempt(reference, file: file, staging: staging, path: path)
                if let expected = remote.sha256 {
                    var state = PullProgress(phase: .verifying, name: file, totalBytes: remote.bytes)
                    try verify(path, sha256: expected, name: reference.description) { done in
                        state.receivedBytes = done
                        progress(state)
                    }
                }
                return (path, remote.sha256)
            } catch {
                // A server that cuts every connection still gets the file across, as long as each brings something.
                let gained = (regularFileSize(path) ?? 0) > before
                failures = gained ? 1 : failures + 1
                guard try await retry.shouldRetry(error, failures: failures) else {
                    throw Self.naming(error, whatIsKept: regularFileSize(path) ?? 0)
                }
            }
        }
    }

    private static func naming(_ error: HubError, whatIsKept bytes: Int64) -> HubError {
        guard error.isTransient, bytes > 0 else { return error }
        return HubError(
            .interrupted,
            received: "the download stopped after \(TerminalProgress.megabytes(bytes)) MB: \(error.received)",
            remedy: "what arrived is kept; run the same command again to go on from there")
    }

    /// Fetches what is missing in one go.
    private func attempt(
        _ reference: HubReference, file: String, staging: String, path: String
    ) async throws(HubError) -> RemoteFile {
        let address = transport.endpoint.fileURL(reference, file: file)
        var remote = try await describe(address, reference)
        var state = PullProgress(phase: .downloading, name: file, totalBytes: remote.bytes)

        var sink = try FileSink(appendingTo: path)
        try keepOnly(matching: remote, sink: &sink, staging: staging)
        if sink.count > 0, sink.count == remote.bytes { return remote }

        var headers = HTTPHeaders()
        if sink.count > 0 { headers.add(name: "Range", value: "bytes=\(sink.count)-") }
        let response = try await transport.send(.GET, address, headers: headers, for: reference)
        if response.status == .rangeNotSatisfiable || !Self.continues(response, at: sink.count) {
            // The server sends the whole file, or cannot go on at this byte: what is there does not fit in front.
            let isWhole = response.status == .ok
            try sink.removeAll()
            guard isWhole else {
                throw HubError(
                    .interrupted, received: "the server does not continue \(reference) where asked",
                    remedy: "run the command again to fetch it from the beginning")
            }
        }
        if remote.bytes == nil, let length = response.headers.first(name: "Content-Length").flatMap({ Int64($0) }) {
            remote.bytes = sink.count + length
            state.totalBytes = remote.bytes
        }
        state.receivedBytes = sink.count
        progress(state)

        try await receive(response, into: &sink, remote: remote, address: address, state: &state)
        try sink.synchronize()
        if let bytes = remote.bytes, sink.count < bytes {
            throw HubError(
                .interrupted, received: "the server sent \(sink.count) of \(bytes) bytes of \(reference)",
                remedy: "run the command again")
        }
        return remote
    }

    /// Writes the body of an answer to the file, one buffer in memory at a time.
    private func receive(
        _ response: HTTPClientResponse, into sink: inout FileSink, remote: RemoteFile, address: String,
        state: inout PullProgress
    ) async throws(HubError) {
        var body = response.body.makeAsyncIterator()
        while true {
            let buffer: ByteBuffer?
            do {
                buffer = try await body.next()
            } catch {
                throw HubTransport.networkFailure(error, address: address)
            }
            guard let buffer else { return }
            if let bytes = remote.bytes, sink.count + Int64(buffer.readableBytes) > bytes {
                try sink.removeAll()
                throw HubError(
                    .sizeMismatch, received: "the server sent more than the \(bytes) bytes it named for \(state.name)",
                    remedy: "nothing was kept; check \(HubEndpoint.endpointVariable) and run the command again")
            }
            try sink.write(buffer)
            state.receivedBytes = sink.count
            progress(state)
        }
    }

    /// Asks for version and size without the content.
    private func describe(_ address: String, _ reference: HubReference) async throws(HubError) -> RemoteFile {
        // The hub describes a large file in the redirect to it; what stores the bytes need not know HEAD.
        let response = try await transport.send(.HEAD, address, for: reference) { response in
            response.status.code < 400 && response.headers.contains(name: "X-Linked-Etag")
        }
        return RemoteFile(response.status, response.headers)
    }

    /// Empties the file unless its bytes are of the version the server has, and notes which version follows.
    private func keepOnly(matching remote: RemoteFile, sink: inout FileSink, staging: String) throws(HubError) {
        let note = "\(staging)/part.json"
        let kept = FileManager.default.contents(atPath: note).flatMap {
            try? JSONDecoder().decode(Partial.self, from: $0)
        }
        if let etag = remote.etag, kept?.etag == etag, sink.count <= remote.bytes ?? .max { return }
        try sink.removeAll()
        guard let etag = remote.etag, let data = try? JSONEncoder().encode(Partial(etag: etag)) else {
            try removeTree(note)
            return
        }
        try replaceFile(note, with: Array(data))
    }

    /// Whether the body of `response` goes on exactly at `offset`.
    private static func continues(_ response: HTTPClientResponse, at offset: Int64) -> Bool {
        if response.status == .ok { return offset == 0 }
        guard response.status == .partialContent, let range = response.headers.first(name: "Content-Range") else {
            return false
        }
        return range.hasPrefix("bytes \(offset)-")
    }
}
