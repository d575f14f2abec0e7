#if Server
internal import Foundation
internal import Hummingbird
internal import KvasirEngine
internal import KvasirTokenizers

/// `POST /tokenize` and `POST /detokenize`, in the shapes of llama.cpp's server and of vLLM's, and `GET /tokenizer_info`.
///
/// A request with `content` is llama.cpp's, one with `prompt` vLLM's. With these lm-evaluation-harness needs no tokenizer
/// of its own.
struct TokenizeEndpoint: Sendable {
    let model: ServedModel

    /// A long text takes seconds, which are not to be those of the threads that answer others; one at a time.
    private static let queue = DispatchQueue(label: "kvasir-tokenize", qos: .utility)

    private static func apart(_ body: @escaping @Sendable () throws -> Response) async throws -> Response {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }

    func tokenize(_ fields: RequestFields) async throws -> Response {
        try await Self.apart { try tokens(fields) }
    }

    func detokenize(_ fields: RequestFields) async throws -> Response {
        try await Self.apart { try text(fields) }
    }

    private func tokens(_ fields: RequestFields) throws -> Response {
        let description = try model.ready().description
        let tokenizer = description.tokenizer
        if let prompt = try fields.string("prompt") {
            let ids = tokenizer.encode(
                prompt, addSpecial: try fields.bool("add_special_tokens") ?? true, parseSpecial: true)
            return Response([
                "count": .integer(ids.count), "max_model_len": .integer(description.tokenCapacity),
                "tokens": .array(ids.map { .integer(Int($0)) }),
            ])
        }
        guard let content = try fields.string("content") else {
            throw APIError.invalid("content", "'content' is missing")
        }
        let ids = tokenizer.encode(
            content, addSpecial: try fields.bool("add_special") ?? false,
            parseSpecial: try fields.bool("parse_special") ?? true)
        guard try fields.bool("with_pieces") ?? false else {
            return Response(["tokens": .array(ids.map { .integer(Int($0)) })])
        }
        return Response(["tokens": .array(ids.map { ["id": .integer(Int($0)), "piece": Self.piece($0, tokenizer)] })])
    }

    private func text(_ fields: RequestFields) throws -> Response {
        let tokenizer = try model.ready().description.tokenizer
        guard let elements = try fields.array("tokens") else { throw APIError.invalid("tokens", "'tokens' is missing") }
        let ids = try TokenIDs.read(elements, parameter: "tokens", vocabularySize: tokenizer.vocabularySize)
        let text = JSONNode.string(tokenizer.decode(ids, skipSpecial: false, startsText: true))
        return Response(["content": text, "prompt": text])
    }

    func info() throws -> Response {
        let tokenizer = try model.ready().description.tokenizer
        func text(_ id: Int32?) -> JSONNode {
            .string(orNull: id.flatMap { tokenizer.tokenBytes($0) }.map { String(decoding: $0, as: UTF8.self) })
        }
        return Response([
            "bos_token": text(tokenizer.bosID), "eos_token": text(tokenizer.eosID),
            "pad_token": text(tokenizer.paddingID), "unk_token": text(tokenizer.unknownID),
            "add_bos_token": .bool(tokenizer.addsBOS), "add_eos_token": .bool(tokenizer.addsEOS),
        ])
    }

    /// A token's text, or its bytes where it is only part of a character.
    private static func piece(_ id: Int32, _ tokenizer: any Tokenizer) -> JSONNode {
        let bytes = tokenizer.tokenBytes(id) ?? []
        if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
        return .array(bytes.map { .integer(Int($0)) })
    }
}

/// Token ids in requests.
enum TokenIDs {
    static func read(
        _ elements: [JSONNode], parameter: String, vocabularySize: Int
    ) throws(APIError) -> [Int32] {
        var ids: [Int32] = []
        ids.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            guard case .integer(let id) = element else {
                throw .invalid(
                    parameter, "'\(parameter)[\(index)]' is \(element.typeName), not a token id", code: "invalid_type")
            }
            guard (0..<vocabularySize).contains(id) else {
                throw .invalid(
                    parameter, "'\(parameter)[\(index)]' is \(id); tokens are 0 to \(vocabularySize - 1)")
            }
            ids.append(Int32(id))
        }
        return ids
    }
}
#endif
