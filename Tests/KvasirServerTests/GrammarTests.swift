#if Server
import KvasirTokenizers
import Testing

@testable import KvasirServer

struct GrammarTests {
    private func accepts(_ grammar: Grammar, _ text: String) throws -> Bool {
        let machine = GrammarMachine(grammar, TokenTrie(try TinyTokenizer.make().vocabulary))
        return machine.mayEnd(machine.advance(machine.start, by: text.utf8))
    }

    @Test(
        arguments: [
            "{}", "{ }", #"{"a":1}"#, #"{"a": [1, -0.5e+3, true, null, "x\u00e9\n", {}], "b": "é😀"}"#,
            "{\n  \"a\": [\n    1,\n    2\n  ]\n}", #"{"a":{"b":{"c":[[[]]]}}}"#,
        ])
    func objectsAreAccepted(text: String) throws { #expect(try accepts(JSONGrammar.anyObject(), text)) }

    @Test(
        arguments: [
            "", "[]", "1", "{", "{]", #"{"a"}"#, #"{"a":01}"#, #"{"a":1,}"#, #"{a:1}"#, "{}{}", #"{"a":"\x"}"#, "{}\n",
            #"{"a":+1}"#, #"{"a":.5}"#, "{\"a\":\"\n\"}", #"{"a":tru}"#, #"{"a":"\ud800"}"#,
        ])
    func othersAreNot(text: String) throws { #expect(try !accepts(JSONGrammar.anyObject(), text)) }

    @Test func stringsAreUTF8() throws {
        let machine = GrammarMachine(JSONGrammar.anyObject(), TokenTrie(try TinyTokenizer.make().vocabulary))
        let start = machine.advance(machine.start, by: #"{""#.utf8)
        for bytes: [UInt8] in [
            [0xFF], [0xC0], [0xE0, 0x80], [0xED, 0xA0], [0xF4, 0x90], [0x80], [0x1F], [0xC3, 0x28],
        ] {
            #expect(machine.advance(start, by: bytes) == GrammarMachine.dead)
        }
        #expect(machine.advance(start, by: [0xF4, 0x8F, 0xBF, 0xBF]) == start)
    }

    private static let person = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":5},"age":{"type":"integer"},
        "mood":{"enum":["good","bad",null]},"tags":{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2}},
        "required":["name","tags"],"additionalProperties":false,"title":"Person"}
        """

    @Test(
        arguments: [
            (person, #"{"name":"Ann","tags":[true]}"#, true),
            (person, #"{"name": "Ann", "age": 3, "mood": null, "tags": [true, false]}"#, true),
            (person, #"{"name":"Anneli","tags":[true]}"#, false), (person, #"{"name":"Ann"}"#, false),
            (person, #"{"tags":[true],"name":"Ann"}"#, false), (person, #"{"name":"Ann","tags":[]}"#, false),
            (person, #"{"name":"Ann","tags":[true,true,true]}"#, false),
            (person, #"{"name":"Ann","tags":[true],"x":1}"#, false),
            (person, #"{"name":"Ann","mood":"ugly","tags":[true]}"#, false),
            (#"{"properties":{"a":{},"b":{"type":"null"}}}"#, "{}", true),
            (#"{"properties":{"a":{},"b":{"type":"null"}}}"#, #"{"b":null}"#, true),
            (#"{"properties":{"a":{},"b":{"type":"null"}}}"#, #"{"a":[1,{"x":2}],"b":null}"#, true),
            (#"{"type":"object"}"#, #"{"any":["thing"]}"#, true),
            (#"{"type":"object","additionalProperties":false}"#, #"{"a":1}"#, false),
            (#"{"anyOf":[{"type":"string"},{"type":"integer"}]}"#, "12", true),
            (#"{"anyOf":[{"type":"string"},{"type":"integer"}]}"#, #""x""#, true),
            (#"{"anyOf":[{"type":"string"},{"type":"integer"}]}"#, "1.5", false),
            (#"{"type":["integer","null"]}"#, "null", true), (#"{"const":{"a":[1]}}"#, #"{"a":[1]}"#, true),
            (#"{"type":"array","items":{"type":"number"}}"#, "[]", true),
            (#"{"type":"array","items":{"type":"number"}}"#, "[1, 2.5]", true),
            (#"{"type":"array","items":{"type":"number"}}"#, "[1, true]", false),
            (#"{"type":"array","maxItems":0}"#, "[]", true), (#"{"type":"array","maxItems":0}"#, "[1]", false),
            (#"{"type":"string","minLength":2}"#, #""é""#, false),
            (#"{"type":"string","minLength":2}"#, #""éa""#, true),
            (
                ##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["next"]}}}"##,
                #"{"next":{"next":null}}"#, true
            ),
        ])
    func schemasAllowWhatTheySay(schema: String, text: String, isAllowed: Bool) throws {
        let grammar = try JSONGrammar.grammar(schema: JSONNode(parsing: schema.utf8))
        #expect(try accepts(grammar, text) == isAllowed)
    }

    @Test(
        arguments: [
            (#"{"type":"string","pattern":"a"}"#, ".pattern"), (#"{"type":"integer","minimum":1}"#, ".minimum"),
            (#"{"properties":{"a":{"oneOf":[]}}}"#, ".properties.a.oneOf"),
            (#"{"type":"object","additionalProperties":{"type":"string"}}"#, ".additionalProperties"),
            (#"{"properties":{},"required":["a"]}"#, ".required"), (#"{"type":"date"}"#, ".type"),
            (##"{"type":"array","items":[{}]}"##, ".items"), (##"{"$ref":"other.json"}"##, ".$ref"),
            (##"{"$ref":"#/$defs/x"}"##, ".$ref"), (#"{"enum":[]}"#, ".enum"), (#"{"not":{}}"#, ".not"),
            (#"{"type":"array","minItems":3,"maxItems":2}"#, ".maxItems"), ("3", ""),
        ])
    func whatIsNotCompiledIsNamed(schema: String, path: String) throws {
        let node = try JSONNode(parsing: schema.utf8)
        let error = #expect(throws: SchemaError.self) { try JSONGrammar.grammar(schema: node) }
        #expect(error?.path == path)
    }

    @Test func aSchemaThatIsNothingButItselfIsNoSchema() throws {
        let trie = TokenTrie(try TinyTokenizer.make().vocabulary)
        let circle = ##"{"$ref":"#"}"##
        #expect(GrammarConstraint(try JSONGrammar.grammar(schema: JSONNode(parsing: circle.utf8)), trie) == nil)
        // A tree of which every array can be read in several ways stays bounded.
        let tree =
            ##"{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/a"}},{"type":"array","items":{"$ref":"#/$defs/a"}},{"type":"array"}]}}}"##
        let machine = GrammarMachine(try JSONGrammar.grammar(schema: JSONNode(parsing: tree.utf8)), trie)
        let text = String(repeating: "[", count: 24) + String(repeating: "]", count: 24)
        #expect(machine.mayEnd(machine.advance(machine.start, by: text.utf8)))
    }

    /// The mask beside its slow twin: every token tried on its own.
    @Test func masksAreTheTokensThatGoOn() throws {
        let vocabulary = try TinyTokenizer.make().vocabulary
        let machine = GrammarMachine(JSONGrammar.anyObject(), TokenTrie(vocabulary))
        for prefix in ["", "{", #"{""#, #"{"he"#, #"{"a""#, #"{"a":"#, #"{"a":1"#, #"{"a":tr"#, "{}"] {
            let state = machine.advance(machine.start, by: prefix.utf8)
            let allowed = machine.withAllowedTokens(state) { bits in
                (0..<vocabulary.count).filter { bits[$0 >> 6] >> UInt64($0 & 63) & 1 == 1 }
            }
            let expected = (0..<vocabulary.count).filter { id in
                guard !vocabulary.isSpecial(Int32(id)), let bytes = vocabulary.tokenBytes(Int32(id)) else {
                    return false
                }
                return machine.advance(state, by: bytes) != GrammarMachine.dead
            }
            #expect(allowed == expected, "after \(prefix)")
        }
    }

    /// Random choices among what is let through always end as JSON of the schema.
    @Test func anythingThatIsLetThroughIsOfTheGrammar() throws {
        let vocabulary = try TinyTokenizer.make().vocabulary
        let grammar = try JSONGrammar.grammar(schema: JSONNode(parsing: Self.person.utf8))
        let trie = TokenTrie(vocabulary)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            var constraint = try #require(GrammarConstraint(grammar, trie))
            var text: [UInt8] = []
            for step in 0..<2000 {
                var logits = [Float](repeating: 0, count: vocabulary.count)
                logits.withUnsafeMutableBufferPointer { constraint.mask($0) }
                let choices = logits.indices.filter { logits[$0] == 0 }
                let token = Int32(try #require(choices.randomElement(using: &generator), "after \(step) tokens"))
                constraint.accept(token)
                if vocabulary.endOfGenerationIDs.contains(token) { break }
                text += vocabulary.tokenBytes(token) ?? []
            }
            let node = try JSONNode(parsing: text)
            #expect(node["name"]?.string != nil)
            #expect(node["tags"]?[0] != nil)
        }
    }

    @Test func theEndIsForcedWhereNothingElseMayCome() throws {
        let vocabulary = try TinyTokenizer.make().vocabulary
        var constraint = try #require(
            GrammarConstraint(
                try JSONGrammar.grammar(schema: JSONNode(parsing: #"{"const":"he"}"#.utf8)), TokenTrie(vocabulary)))
        func allowed() -> [Int] {
            var logits = [Float](repeating: 0, count: vocabulary.count + 5)
            logits.withUnsafeMutableBufferPointer { constraint.mask($0) }
            return logits.indices.filter { logits[$0] == 0 }
        }
        #expect(allowed() == [Int(TinyTokenizer.id(0x22))])
        constraint.accept(TinyTokenizer.id(0x22))
        #expect(allowed().count == 2, "'h' and 'he'")
        constraint.accept(try #require(vocabulary.id(of: "he")))
        constraint.accept(TinyTokenizer.id(0x22))
        #expect(allowed() == vocabulary.endOfGenerationIDs.map(Int.init).sorted())
    }
}
#endif
