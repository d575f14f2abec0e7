internal import Foundation

/// How results are written and read: keys in alphabetical order, dates as ISO 8601, every number finite.
public enum ResultCoding {
    /// Encodes on one line.
    ///
    /// - Throws: `EvaluationError` if a number is not finite.
    public static func encode(_ value: some Encodable) throws(EvaluationError) -> [UInt8] {
        do {
            return [UInt8](try encoder().encode(value))
        } catch {
            throw EvaluationError(
                received: "a result that is no JSON", remedy: "\(describe(error)); a number may not be finite")
        }
    }

    /// Decodes one value.
    ///
    /// - Parameters:
    ///   - type: what to decode.
    ///   - bytes: JSON.
    ///   - name: what the bytes are called in an error.
    /// - Throws: `EvaluationError` that says where the value is malformed.
    public static func decode<Value: Decodable>(
        _ type: Value.Type = Value.self, from bytes: [UInt8], name: String
    ) throws(EvaluationError) -> Value {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do {
            return try decoder.decode(type, from: Data(bytes))
        } catch {
            throw EvaluationError(received: name, remedy: describe(error))
        }
    }

    private static func encoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return encoder
    }

    /// An error of the coder in one line, with the place.
    private static func describe(_ error: any Error) -> String {
        func place(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "" : " at " + path.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            return "'\(key.stringValue)' is missing\(place(context.codingPath))"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            return "a value of another type is needed\(place(context.codingPath))"
        case DecodingError.dataCorrupted(let context):
            return context.codingPath.isEmpty ? "it is no JSON" : "malformed\(place(context.codingPath))"
        case EncodingError.invalidValue(let value, let context):
            return "'\(value)' cannot be written\(place(context.codingPath))"
        default: return error.localizedDescription
        }
    }
}
