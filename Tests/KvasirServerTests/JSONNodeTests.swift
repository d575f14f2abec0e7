#if Server
import KvasirJSON
import Testing

@testable import KvasirServer

struct JSONNodeTests {
    @Test func valuesAreReadAndWrittenInTheirOrder() throws {
        let text = #"{"b":[1,-2.5,1e+30,true,null],"a":{"z":"\"\\\n\t\u0001é😀/"},"c":[]}"#
        let node = try JSONNode(parsing: text.utf8)
        #expect(node.text() == text)
        #expect(try JSONNode(parsing: node.text(.spaced).utf8) == node)
        #expect(JSONNode(dictionaryLiteral: ("a", [1, "x"])).text(.spaced) == #"{"a": [1, "x"]}"#)
    }

    @Test func numbersThatJSONDoesNotHaveAreNull() {
        #expect(
            JSONNode.array([.number(.infinity), .number(.nan), .number(4), .number(0.1)]).text()
                == "[null,null,4.0,0.1]")
    }

    @Test(arguments: ["", "{", "[1,]", #"{"a":1,"a":2}"#, "nul", "1 2", String(repeating: "[", count: 100)])
    func whatIsNoJSONIsRefused(text: String) {
        #expect(throws: JSONError.self) { try JSONNode(parsing: text.utf8) }
    }
}
#endif
