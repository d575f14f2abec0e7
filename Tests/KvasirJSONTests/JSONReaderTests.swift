import KvasirJSON
import Testing

@Suite struct JSONReaderTests {
    private func parse(_ text: String) throws -> JSONValue { try parse(Array(text.utf8)) }

    private func parse(_ bytes: [UInt8]) throws -> JSONValue {
        try bytes.withUnsafeBytes { try JSONValue(parsing: $0) }
    }

    @Test func valuesOfEveryKindAreRead() throws {
        let value = try parse(
            #" { "a" : [ 1, -2.5e-1, true, false, null, "x" ] , "b":{"c":{}} , "" : [], "n":-0 } "#)
        #expect(
            value
                == .object([
                    "a": .array([.integer(1), .number(-0.25), .bool(true), .bool(false), .null, .string("x")]),
                    "b": .object(["c": .object([:])]), "": .array([]), "n": .integer(0),
                ]))
        #expect(value["b"]?["c"] == .object([:]))
        #expect(value["no"] == nil)
        #expect(try parse("9223372036854775807") == .integer(.max))
        #expect(try parse("9223372036854775808") == .number(0x1p63))
        #expect(try parse(#""\u00e9\ud83d\ude00\n\"\\\/\b\f\r\t""#) == .string("é😀\n\"\\/\u{8}\u{c}\r\t"))
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{,}",
        "{\"a\":1 \"b\":2}", "tru", "nul", "True", "NaN", "Infinity", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1",
        "1 2", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"",
        "{\"a\":1,\"a\":2}", "1e999", "[}", "{]", "[1}", "'a'", "// c\n1",
    ])
    func whatTheStandardDoesNotAllowIsAnError(_ text: String) {
        let error = #expect(throws: JSONError.self) { try parse(text) }
        #expect((0...text.utf8.count).contains(error?.offset ?? -1))
    }

    @Test func stringsThatAreNotUTF8AreErrors() {
        #expect(throws: JSONError.self) { try parse([0x22, 0xff, 0x22]) }
        #expect(throws: JSONError.self) { try parse([0x22, 0xed, 0xa0, 0x80, 0x22]) }
    }

    @Test func nestingIsBounded() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try parse(nested(32))
        #expect(throws: JSONError.self) { try parse(nested(33)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
        let text = Array(String(repeating: "{\"a\":", count: 1_000_000).utf8)
        text.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes)
            #expect(throws: JSONError.self) { try reader.skip() }
        }
    }

    @Test func everyTruncationIsAnError() throws {
        let text = Array(#"{"a":[1.5e3,"\u00e9x",{"b":null}],"c":true}"#.utf8)
        _ = try parse(text)
        for count in 0..<text.count { #expect(throws: JSONError.self) { try parse(Array(text[..<count])) } }
    }

    @Test func skippingEndsWhereReadingDoes() throws {
        let text = Array(#"[{"a":[1,{"b":"\"]}"}],"c":-1.5}, 7]"#.utf8)
        try text.withUnsafeBytes { bytes in
            var reader = JSONReader(bytes)
            try reader.beginArray()
            #expect(try reader.nextElement())
            try reader.skip()
            #expect(try reader.nextElement())
            #expect(try reader.integer() == 7)
            #expect(try !reader.nextElement())
            try reader.end()
        }
    }
}
