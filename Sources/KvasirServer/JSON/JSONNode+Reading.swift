#if Server
internal import KvasirJSON

extension JSONNode {
    /// Reads a text that is one value.
    ///
    /// - Throws: `JSONError`, also where an object names a member twice.
    init(parsing bytes: some Sequence<UInt8>) throws(JSONError) {
        let bytes = Array(bytes)
        let result: Result<JSONNode, JSONError> = bytes.withUnsafeBytes { buffer in
            var reader = JSONReader(buffer, maximumDepth: 64)
            do throws(JSONError) {
                let node = try Self.read(&reader)
                try reader.end()
                return .success(node)
            } catch {
                return .failure(error)
            }
        }
        self = try result.get()
    }

    private static func read(_ reader: inout JSONReader) throws(JSONError) -> JSONNode {
        switch try reader.kind() {
        case .object:
            var members: [Member] = []
            var names: Set<String> = []
            try reader.beginObject()
            while true {
                let start = reader.offset
                guard let name = try reader.nextKey() else { return .object(members) }
                guard names.insert(name).inserted else {
                    throw JSONError(offset: start, problem: "the member '\(name.prefix(80))' appears twice")
                }
                members.append(Member(name, try read(&reader)))
            }
        case .array:
            var elements: [JSONNode] = []
            try reader.beginArray()
            while try reader.nextElement() { elements.append(try read(&reader)) }
            return .array(elements)
        case .string: return .string(try reader.string())
        case .number:
            switch try reader.value() {
            case .integer(let value): return .integer(value)
            case .number(let value): return .number(value)
            default: return .null  // not reached: the reader has said that it is a number
            }
        case .bool: return .bool(try reader.bool())
        case .null:
            try reader.null()
            return .null
        }
    }
}
#endif
